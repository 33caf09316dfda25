//go:build unix

package labcli_test

import (
	"strings"
	"syscall"
	"testing"

	"meshrotate/providers/lab"
)

// TestLeakedWhileARelayIsAway is an emergency that does not come to a relay, which the policy tolerates. The evidence names it, as long
// as it has the old value and after that.
func TestLeakedWhileARelayIsAway(t *testing.T) {
	t.Parallel()
	const place = `IdentityMeshRelayAgent\appsettings.json, relay-02.lab.example: `
	for _, secret := range []string{"relaykey", "codesigning"} {
		t.Run(secret, func(t *testing.T) {
			t.Parallel()
			w, l := startHere(t, lab.Config{Relays: 2, Signing: secret == "codesigning", Build: secret == "codesigning"})
			if secret == "codesigning" {
				w.run(0, "apply", "--yes", "--only", secret)
				must(t, declares(w.dir, []string{"next"}))
			}
			w.tolerates("relay-02.lab.example")
			relay := l.Host("relay-02")
			relay.Unplug(true)
			w.run(3, "rotate", "--compromised", secret, "--yes", "stolen").says(t, "left behind")
			evidence := w.run(0, "history", "--evidence", secret)
			evidence.says(t, place+"not reached: as far as is known it is there still", "relay-01.lab.example: taken out at")
			if strings.Contains(evidence.out, "the backup of "+place) {
				t.Errorf("no backup was ever made there:\n%s", evidence.out)
			}
			if secret == "codesigning" { // and it accepts what was stolen; a relay key that Admin refuses opens nothing
				old, next := lab.Certificates()
				const says = "relay-02.lab.example: left behind when "
				must(t, l.Redeploy(l.Host("relay-01"), "2", next))
				w.run(2, "drift", "--only", secret).says(t, "[secret-compromised]", says+old.SHA1)
				w.run(0, "plan", "--only", secret).says(t, "[secret-compromised]", says+old.SHA1)
			}
			relay.Unplug(false)
			w.run(0, "apply", "--yes", "--only", secret)
			if r := w.run(0, "plan", "--only", secret); strings.Contains(r.out, "secret-compromised") {
				t.Error(r.out)
			}
			r := w.run(0, "history", "--evidence", secret)
			r.says(t, place+"taken out at", "the backup of "+place+"taken out at")
			if strings.Contains(r.out, "not reached") {
				t.Error(r.out)
			}
		})
	}
}

// TestLeakedAndFinishedInTwo is an emergency whose relay that was away is finished by a later run, which is killed before it takes the
// backup away: the evidence names that backup until a third run has done so.
func TestLeakedAndFinishedInTwo(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 2})
	w.tolerates("relay-02.lab.example")
	relay := l.Host("relay-02")
	relay.Unplug(true)
	w.run(3, "rotate", "--compromised", "relaykey", "--yes", "stolen")
	relay.Unplug(false)
	second := w.start("apply", "--yes", "--only", "relaykey")
	second.reaches("verify: began")
	second.signal(syscall.SIGKILL)
	second.wait()
	const backup = `the backup of IdentityMeshRelayAgent\appsettings.json, relay-02.lab.example: `
	w.run(0, "history", "--evidence", "relaykey").says(t, backup+"not reached: as far as is known it is there still")
	w.run(0, "apply", "--yes", "--only", "relaykey")
	w.run(0, "history", "--evidence", "relaykey").says(t, backup+"taken out at")
}

// tolerates lets a relay be away.
func (w *world) tolerates(host string) {
	w.rewrite("\nsecrets:\n", "\npolicy:\n  unreachable: {tolerate: ["+host+"]}\n\nsecrets:\n")
}

// TestLeakedAmongOthers is an emergency of which the evidence names what the old value was in, and nothing else.
func TestLeakedAmongOthers(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 1, Login: "alternating", Connectors: 2})
	const ref = "connector:secret://ad/svc-imadmin/password"
	w.run(0, "rotate", "--compromised", ref, "--yes", "posted")
	w.run(0, "history", "--evidence", ref).says(t, ref+" 3: kept, sealed in the state")
	w.run(0, "apply", "--yes")
	was, _ := l.SignedIn()
	w.run(0, "rotate", "--compromised", "sqllogin", "--yes", "seen in a crash dump")
	now, _ := l.SignedIn()
	r := w.run(0, "history", "--evidence", "sqllogin")
	r.says(t, "the login "+was+" on", "sqllogin 12: kept, sealed in the state")
	if strings.Contains(r.out, "the login "+now+" on") {
		t.Errorf("%s never had it:\n%s", now, r.out)
	}
}

// TestLeakedAndDropped: a host that an emergency left behind, and a secret whose leaked value is live, are dropped from the document. What
// others know is good there still, and plan and drift say so until somebody answers for it.
func TestLeakedAndDropped(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 2, Signing: true, Build: true})
	w.run(0, "apply", "--yes")
	must(t, declares(w.dir, []string{"next"}))
	w.tolerates("relay-02.lab.example")
	relay := l.Host("relay-02")
	relay.Unplug(true)
	w.run(3, "rotate", "--compromised", "codesigning", "--yes", "stolen")
	relay.Unplug(false)
	w.rewrite("policy:\n  unreachable: {tolerate: [relay-02.lab.example]}\n", "")
	w.rewrite("relay-[01..02].lab.example", "relay-01.lab.example")
	w.rewrite("\n    relay-02.lab.example:", "\n    # relay-02.lab.example:")
	const says = "relay-02.lab.example: left behind when what others know of codesigning was taken out (stolen), and the document does not name this host any more"
	w.run(2, "drift").says(t, "[secret-compromised]", says)
	w.run(0, "plan").says(t, says)
	w.rewrite("\nsecrets:\n", "\npolicy:\n  silence:\n    - {finding: secret-compromised, host: relay-02.lab.example, why: scrapped, until: \"2099-01-01\"}\n\nsecrets:\n")
	w.run(2, "drift").says(t, "silenced relay-02.lab.example: left behind") // the other relay's connectors are another matter

	r := w.start("rotate", "--compromised", "relaykey", "--yes", "leaky")
	r.reaches("prepare: began")
	r.signal(syscall.SIGINT)
	r.wait()
	w.rewrite("  relayKey:\n    version: 8\n    from: generated\n    every: 90d\n", "")
	w.run(2, "drift").says(t, "others know what is live of relaykey (leaky), and the document does not declare it any more")
}
