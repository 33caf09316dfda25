package live

import (
	"strings"
	"testing"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// What a build is told is known from its script or from the machine, and nothing is told that is no thumbprint.
func TestPinned(t *testing.T) {
	thumbprint := strings.Repeat("41C0", 10)
	for _, c := range []struct {
		reason, script string
		machine        bool
		variable       winhost.Variable
		want           site.PinSeen
		refused        string
	}{
		{reason: "in the script", script: "set CODESIGN_THUMBPRINT=" + thumbprint + "\r\n", want: site.PinSeen{Text: thumbprint}},
		{reason: "in the script, whatever the machine has", script: "set CODESIGN_THUMBPRINT=" + thumbprint, variable: winhost.Variable{Exists: true, Value: "A1"}, want: site.PinSeen{Text: thumbprint}},
		{reason: "nothing yet", script: "set CODESIGN_THUMBPRINT=\n"},
		{reason: "something else", script: "set CODESIGN_THUMBPRINT=a password, who knows\n", want: site.PinSeen{Other: true}},
		{reason: "no line", script: "signtool\n", refused: "no line of it"},
		{reason: "a default that the machine overrides", script: "if not defined CODESIGN_THUMBPRINT set CODESIGN_THUMBPRINT=" + thumbprint, variable: winhost.Variable{Exists: true, Value: "A1"},
			want: site.PinSeen{Text: thumbprint, Overridden: "A1"}},
		{reason: "one that it overrides with something else", script: "if not defined CODESIGN_THUMBPRINT set CODESIGN_THUMBPRINT=" + thumbprint, variable: winhost.Variable{Exists: true},
			want: site.PinSeen{Text: thumbprint, Overridden: site.Unknown}},
		{reason: "a default that nothing overrides", script: "if not defined CODESIGN_THUMBPRINT set CODESIGN_THUMBPRINT=" + thumbprint, want: site.PinSeen{Text: thumbprint}},
		{reason: "in the environment", script: "signtool\n", machine: true, variable: winhost.Variable{Exists: true, Value: thumbprint}, want: site.PinSeen{Text: thumbprint}},
		{reason: "in the environment, something else", script: "signtool\n", machine: true, variable: winhost.Variable{Exists: true}, want: site.PinSeen{Other: true}},
		{reason: "in the environment, and the script sets it, too", script: "set CODESIGN_THUMBPRINT=" + thumbprint, machine: true, refused: "sets the variable itself"},
	} {
		got := pinned(site.PinAt{Variable: "CODESIGN_THUMBPRINT", Machine: c.machine}, secret.NewString(c.script), c.variable)
		if refused := got.Refused; (refused != "") != (c.refused != "") || !strings.Contains(refused, c.refused) {
			t.Errorf("%s: refused: %q", c.reason, refused)
		}
		if got.Refused = ""; got != c.want {
			t.Errorf("%s: %+v", c.reason, got)
		}
	}
}
