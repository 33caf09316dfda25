package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// What stands in the file for the live key is a reference, or the key wrapped: what is in force is elsewhere, and a plain key in its
// place might not be read. Nothing stops. A placeholder may be what somebody uses as a key: that is said, and rotated.
func TestTheLiveKeyIsNotInTheFile(t *testing.T) {
	for value, refused := range map[string]bool{
		"@Microsoft.KeyVault(SecretUri=https://vault.contoso.example/secrets/relay)": true,
		"dpapi:AQAAANCMnd8BFdERjHoAwE/Cl+sBAAAAxxxxxxxxxxxxx":                        true,
		"vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==":      true,
		"${RELAY_KEY}": false,
	} {
		t.Run(strings.SplitN(value, ":", 2)[0], func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey")
				for _, h := range []*lab.Host{w.lab.Admin, w.relay(1), w.relay(2)} {
					write(t, h, map[bool]string{true: lab.AdminSettings, false: lab.RelaySettings}[h == w.lab.Admin], func(b []byte) []byte {
						next, err := appsettings.SetAll(b, []appsettings.Edit{{Key: "Relay:ApiKey", Value: secret.NewString(value)}})
						if err != nil {
							t.Fatal(err)
						}
						return next
					})
					w.do("stop", h.Name)
					w.await("it is down", func() bool { return h.Machine.Service(serviceOf(h)).State == "stopped" })
					w.do("start", h.Name)
				}
				time.Sleep(15 * time.Minute)
				before := w.starts()
				p, _ := w.run()
				if refused != (len(p.Blocked()) > 0) || refused != slices.Equal(before, w.starts()) {
					t.Errorf("%+v", p.Changes[0])
				}
				f, ok := finding(p, map[bool]string{true: "settings-refused", false: "setting-doubtful"}[refused])
				if !ok || !strings.Contains(f.Text, "Relay:ApiKey") || f.Hint == "" || (f.Severity == reconciler.Error) != refused {
					t.Errorf("%+v", p.Changes[0].Findings)
				}
			})
		})
	}
}
