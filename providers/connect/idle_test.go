package connect

import (
	"testing"
	"time"

	"meshrotate/specs"
)

// A host that has done its part waits for the others, and its shell must be there when it is asked again.
func TestShellsOutliveEveryWait(t *testing.T) {
	load := func(more string) *specs.Deployment {
		d, err := specs.Load("x.yaml", []byte("{apiVersion: meshrotate/v1, kind: Deployment, name: x, hosts: {admin: a, relays: [\"r[1..100]\"]}, secrets: {}, connect: {winrm: {auth: ntlm, user: u, password: {env: P}}}, "+more+"}"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for more, most := range map[string]time.Duration{
		`product: {}`: 5 * time.Minute,
		`product: {api: {connectedTimeout: 10m}}`:                  12 * time.Minute,
		`product: {api: {readyTimeout: 1h}}`:                       64 * time.Minute,
		`product: {relay: {startTimeout: 30m}}`:                    35 * time.Minute,
		`policy: {hostTimeout: 40m}`:                               80 * time.Minute,
		`policy: {parallel: 10}`:                                   55 * time.Minute,
		`product: {api: {connectedTimeout: 1h, readyTimeout: 1h}}`: 2*time.Hour + 2*time.Minute,
		`product: {api: {connectedTimeout: 3h}}`:                   3*time.Hour + 2*time.Minute,
		`policy: {hostTimeout: 3h}`:                                6 * time.Hour,
		`policy: {hostTimeout: 3h, parallel: 10}`:                  33 * time.Hour,
	} {
		if got := Idle(load(more)); got < most || got > most+15*time.Minute {
			t.Errorf("%s: %s, and waits take %s", more, got, most)
		}
	}
	if got := Idle(load(`policy: {hostTimeout: 24h, parallel: 1}`)); got.Milliseconds() != 0x7FFFFFFF {
		t.Errorf("%s is more than a host takes", got)
	}
}
