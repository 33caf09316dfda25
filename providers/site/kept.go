package site

import (
	"fmt"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// KeptFinding holds the store of values against the ledger, and opens none. A version has one value for ever: where the ledger
// says that it was kept and it is gone, no second one is made; and one that the ledger has never heard of was put there by
// somebody else, for a start is in the ledger before anything is kept; and one that is damaged may be the live one. Used says that the value is about to be put somewhere:
// then it is refused, and else it is a warning. ok is false when nothing is wrong.
func KeptFinding(in reconciler.Input, ref secret.Ref, used bool) (f reconciler.Finding, ok bool) {
	return KeptPartFinding(in, ref, ref, used)
}

// Unopened says in a reason that a live value may be one of the kept ones that cannot be read: it is not its host that is to blame.
func Unopened(in reconciler.Input, ref secret.Ref, reason string) string {
	if v := Answer[ValueSeen](in.Seen, Value{Secret: ref}); v == nil || len(v.Damaged) == 0 {
		return reason
	}
	return strings.ReplaceAll(reason, "that meshrotate does not know", "that may be a kept one which cannot be read")
}

// KeptPartFinding is the same of a value that is kept for the rotation of another secret, and has none of its own.
func KeptPartFinding(in reconciler.Input, of, ref secret.Ref, used bool) (f reconciler.Finding, ok bool) {
	v := Answer[ValueSeen](in.Seen, Value{Secret: ref})
	if v == nil || v.Problem != "" {
		return f, false
	}
	kept, known := in.History.Ever(of.Name, of.Version, reconciler.Step{Phase: reconciler.Prepare, Op: Keep{Secret: ref}}.Name())
	ended, _ := in.History.Ever(of.Name, of.Version, "")
	f.Severity = reconciler.Warning
	if used {
		f.Severity = reconciler.Error
	}
	switch {
	case len(v.Damaged) > 0:
		f.Code, f.Text, f.Hint = "state-value-damaged", strings.Join(v.Damaged, "; "), v.Hint
		return f, true
	case !v.Kept && (kept || ended):
		f.Code = "state-value-lost"
		f.Text = fmt.Sprintf("the kept value of %s is gone from %s, and the ledger says that it was there: no second value is made for a version", ref, v.Place)
		f.Hint = "restore the state folder from the backup; if the value is lost for good, declare a new version, or keep the live value as this one: `meshrotate adopt`"
		return f, true
	case v.Kept && !known:
		f.Code = "state-value-unknown"
		f.Text = fmt.Sprintf("a value of %s is kept in %s, and the ledger has never heard of this version: somebody put it there, or the ledger is older than the values", ref, v.Place)
		f.Hint = "restore the whole state folder from one backup, or declare a new version"
		return f, true
	}
	return f, false
}
