package providers_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/reconciler/rotationtest"
)

// Ahead is a word for a secret of which something was done that has no way back, not for what was to share its file or its service.
func TestAheadIsEachSecretsOwn(t *testing.T) {
	vendor()
	alone := func(w *world) { w.lab.SQLInstance().DenyServer(lab.User, "ALTER ANY LOGIN") }
	everywhere := func(w *world) {
		for _, r := range w.lab.SQLReplicas() {
			r.Instance.DenyServer(lab.User, "ALTER ANY LOGIN")
		}
	}
	for _, c := range []struct {
		reason  string
		deny    func(w *world)
		kinds   []string
		account string
		want    string
	}{
		{"a replica has the new password, and the server of the strings refuses it: nothing of the relay key was swapped", alone,
			[]string{"license", "relaykey", "sqllogin"}, "", "license proven, relaykey back, sqllogin ahead"},
		{"every instance refuses it", everywhere, []string{"license", "relaykey", "sqllogin"}, "", "license back, relaykey back, sqllogin back"},
		{"every instance refuses it, and the services have another password already", everywhere,
			[]string{"sqllogin", "serviceaccount"}, "now", "serviceaccount-lab-svc-im proven, sqllogin back"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 2, Memory: true, Login: "single", Replicas: 2, Account: c.account}, c.kinds...)
				w.stopped(func() { c.deny(w) })
				_, o := w.run()
				var ended []string
				for _, e := range o.Secrets {
					ended = append(ended, e.Change.Secret.Name+" "+string(e.Ending))
				}
				slices.Sort(ended)
				if got := strings.Join(ended, ", "); got != c.want || len(o.Down)+len(o.Left) > 0 {
					t.Errorf("%s, want %s: %v", got, c.want, o)
				}
				w.lab.SQLInstance().GrantServer(lab.User, "ALTER ANY LOGIN")
				rotationtest.Search(t, w.secrets(), w.said())
			})
		})
	}
}
