package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

// The list stands in the file of the environment, over a base file with one of its own. .NET takes the stronger one's members in the place of
// the weaker one's, one by one: where it has as many, nothing is overridden; where it has fewer, or will have, the plan refuses.
func TestListOverAWeakerFile(t *testing.T) {
	t.Parallel()
	old, next := lab.Certificates()
	third := lab.Certificate("Third", time.Now().Add(4000*24*time.Hour)).SHA1
	list := func(members ...string) string {
		if len(members) == 0 {
			return `[]`
		}
		return `["` + strings.Join(members, `","`) + `"]`
	}
	for _, c := range []struct {
		name, over string
		base       []string
		declared   []winhost.Signer
		works      bool
	}{
		{"a template beneath", list(old.SHA1), nil, []winhost.Signer{old, next}, true},
		{"the same member beneath", list(old.SHA1), []string{old.SHA1}, []winhost.Signer{old, next}, true},
		{"another one beneath", list(old.SHA1), []string{third}, []winhost.Signer{old, next}, true},
		{"more beneath than above", list(old.SHA1), []string{old.SHA1, third}, []winhost.Signer{old, next}, false},
		{"as many beneath as above", list(old.SHA1, next.SHA1), []string{old.SHA1, third}, []winhost.Signer{next, old}, true},
		{"more beneath than there will be", list(old.SHA1, next.SHA1), []string{old.SHA1, third}, []winhost.Signer{old}, false},
		{"numbers, which may be lost", `{"0":"` + old.SHA1 + `"}`, []string{third}, []winhost.Signer{old, next}, false},
		{"numbers over a template", `{"0":"` + old.SHA1 + `"}`, nil, []winhost.Signer{old, next}, true},
		{"nothing above", list(), []string{third}, []winhost.Signer{old, next}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, "codesigning")
				h := w.relay(1)
				if err := w.lab.SetThumbprints(h, c.base...); err != nil {
					t.Fatal(err)
				}
				if err := h.Write(`C:\Program Files\IdentityMeshRelayAgent\appsettings.Production.json`, []byte(`{"Relay":{"AcceptedThumbprints":`+c.over+`}}`)); err != nil {
					t.Fatal(err)
				}
				w.do("stop", h.Name)
				time.Sleep(20 * time.Second)
				w.do("start", h.Name)
				time.Sleep(2 * time.Minute)
				w.doc.Product.Relay.Settings = `%ProgramFiles%\IdentityMeshRelayAgent\appsettings.Production.json`
				w.declares(c.declared...)
				p := w.planned()
				f := findingOf(p.Changes[0], "setting-overridden")
				if refused := p.Changes[0].Status == reconciler.Refused; refused == c.works || (f != nil) == c.works || f != nil && f.Hint == "" {
					t.Fatalf("%s (%s), %+v", p.Changes[0].Status, p.Changes[0].Reason, p.Changes[0].Findings)
				}
				if c.works && p.Changes[0].Status == reconciler.Rotate {
					w.settlesOn(c.declared...)
				}
			})
		})
	}
}
