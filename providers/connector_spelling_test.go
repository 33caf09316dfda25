package providers_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/reconciler"
)

// A reference in other letters than the stored one's is refused, with the stored one: the product's program would overwrite that.
func TestConnectorInOtherLetters(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "connector")
		spec := w.connectorSpec()
		ref := spec.Secrets[0].Ref
		was, _, _ := w.lab.Stored(ref)
		spec.Secrets[0].Ref = strings.ToUpper(ref)
		p, _ := w.run()
		i := slices.IndexFunc(p.Changes, func(c reconciler.Change) bool { return strings.HasSuffix(c.Secret.Name, strings.ToUpper(ref)) })
		if c := p.Changes[i]; c.Status != reconciler.Refused || !slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool {
			return f.Code == "connector-spelling" && f.Severity == reconciler.Error && strings.Contains(f.Text, ref) && strings.Contains(f.Hint, ref)
		}) {
			t.Errorf("%s: %+v", c.Status, c.Findings)
		}
		if now, _, _ := w.lab.Stored(ref); now != was {
			t.Error("the stored value was overwritten")
		}
		if slices.ContainsFunc(p.Changes, func(c reconciler.Change) bool {
			return slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool {
				return f.Code == "connector-undeclared" && strings.Contains(f.Text, ref)
			})
		}) {
			t.Error("it is said not to be in the document as well")
		}
	})
}
