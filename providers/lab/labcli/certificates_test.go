package labcli_test

import (
	"testing"

	"meshrotate/providers/lab"
)

// TestCertificatesOfHosts: whatever is wrong with a host's certificate, the plan says which, what to do about that one, and nothing is
// stopped for it.
func TestCertificatesOfHosts(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 2, HTTPS: true})
	w.run(2, "plan").says(t, "2 to rotate")
	running := func() (pids []uint32) {
		for _, h := range l.Hosts() {
			for _, name := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
				pids = append(pids, h.Machine.Service(name).PID)
			}
		}
		return pids
	}
	before := running()
	for _, c := range []struct{ mishap, says, hint string }{
		{"cert-expired", "certificate has expired or is not yet valid", "renew it and bind"},
		{"cert-early", "is before", "clock"},
		{"cert-name", "is valid for winrm.other.example, not relay-01.lab.example", "winrm.other.example"},
		{"cert-stranger", "certificate signed by unknown authority", "connect.winrm.caFile"},
		{"cert-old", "protocol version not supported", "TLS 1.2"},
	} {
		for _, mishap := range []string{c.mishap, "cert"} {
			if _, err := l.Break(mishap, "relay-01"); err != nil {
				t.Fatal(err)
			}
			if mishap == "cert" {
				continue
			}
			w.run(1, "plan").says(t, "relay-01.lab.example", c.says, "hint", c.hint)
			w.run(1, "apply", "--yes").says(t, "nothing was changed")
		}
	}
	for i, pid := range running() {
		if pid != before[i] {
			t.Error("a service was stopped")
		}
	}
	w.run(0, "apply", "--yes").says(t, "rotated and proven")
}
