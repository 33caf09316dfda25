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

// APIFailed is the same for the Admin API. Without is what is not known now.
func APIFailed(seen reconciler.Seen, without, why string) reconciler.Finding {
	err := seen[API].Err
	f := failed("admin-api", err, "the Admin service", why)
	f.Text = "the Admin API could not be asked: " + without + reason(err, "")
	return f
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
