package site

import (
	"cmp"
	"fmt"
	"strings"

	"meshrotate/reconciler"
)

// HostFailed is the error that goes with a host that could not be looked at, in its own words and with its own advice. Why is
// what it matters for, "" where that is plain.
func HostFailed(seen reconciler.Seen, host, label, why string) reconciler.Finding {
	f := failed("host-failed", seen[Host(host)].Err, host, why)
	f.Text = host
	if label != "" {
		f.Text += " (" + label + ")"
	}
	f.Text += " could not be looked at" + reason(seen[Host(host)].Err, host)
	f.Hosts = []string{host}
	return f
}

// APIReach says how the look at the Admin API ended as far as one read goes, and why it was not answered: what another endpoint
// answers is no matter.
func APIReach(seen reconciler.Seen, read reconciler.Read) (reconciler.Reach, error) {
	look := seen[API]
	if len(look.Errs) == 0 {
		return look.Reach, look.Err
	}
	if err := look.Errs[read.Key()]; err != nil {
		return look.Reach, err
	}
	return reconciler.Reached, nil
}

// APIFailed is the same as HostFailed for a read of the Admin API. Without is what is not known now.
func APIFailed(seen reconciler.Seen, read reconciler.Read, without, why string) reconciler.Finding {
	_, err := APIReach(seen, read)
	f := failed("admin-api", err, "the Admin service", why)
	f.Text = "the Admin API could not be asked: " + without + reason(err, "")
	if len(seen[API].Errs) > 0 {
		f.Text = "the Admin API gave no answer of use: " + without + reason(err, "")
		f.Hint += "; what does not need this answer can be applied alone (`meshrotate apply --only KIND`)"
	}
	_, f.Unwell = unready(seen)
	return f
}

// unready is Admin's own answer that it is not ready: what else it does not answer may be for that.
func unready(seen reconciler.Seen) (*TrialSeen, bool) {
	for _, r := range seen[API].Results {
		if t, ok := r.(*TrialSeen); ok && t.Asks == AsksReady && t.Status >= 500 {
			return t, true
		}
	}
	return nil, false
}

func failed(code reconciler.FindingID, err error, what, why string) reconciler.Finding {
	hint := cmp.Or(reconciler.HintOf(err), fmt.Sprintf("bring %s back and plan again", what))
	if why != "" {
		hint += "; " + why
	}
	return reconciler.Finding{Severity: reconciler.Error, Code: code, Hint: hint}
}

func reason(err error, host string) string {
	if err == nil {
		return ""
	}
	return ": " + strings.TrimPrefix(err.Error(), host+": ")
}
