package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// Where the environment's name chooses a file, that is a second question, which is asked again like the first.
func TestAProofAsksForAFurtherFileAgain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		h := w.relay(1)
		_ = h.Machine.Was(lab.RelayService, func(s *machine.Service) { s.Environment = map[string]string{"DOTNET_ENVIRONMENT": "Staging"} })
		h.Machine.FS.(*machine.Memory).Write(`C:\Program Files\IdentityMeshRelayAgent\appsettings.Staging.json`, []byte(`{"Logging":{}}`))
		w.restarted(h)
		started, crashed := false, false
		h.Points(func(p machine.Point) (a machine.Action) {
			started = started || p.Op == "service.start"
			if started && !crashed && p.Op == "file.read" && strings.HasSuffix(p.Object, "Staging.json") {
				crashed, a.End = true, machine.EndCrash
			}
			return a
		})
		if _, o := w.run(); o.Err != nil || len(o.Left) > 0 || !crashed {
			t.Errorf("crashed %t: %v", crashed, o)
		}
	})
}

// Somebody puts something beside a reader's settings file after the plan, and it wins over the file. That is told as the cause at
// once, and nobody waits for the connection of a relay that has another key.
func TestOverriddenAfterThePlan(t *testing.T) {
	vendor()
	const key = `{"Relay":{"ApiKey":"0123456789abcdef0123456789abcdef0123456789abcdef"}}`
	beside := func(name, content string) func(h *lab.Host) {
		return func(h *lab.Host) {
			h.Machine.FS.(*machine.Memory).Write(`C:\Program Files\IdentityMeshRelayAgent\appsettings.`+name+`.json`, []byte(content))
		}
	}
	service := func(variables map[string]string) func(h *lab.Host) {
		return func(h *lab.Host) {
			_ = h.Machine.Change(lab.RelayService, func(s *machine.Service) { s.Environment = variables })
		}
	}
	was := func(variables map[string]string) func(h *lab.Host) {
		return func(h *lab.Host) {
			_ = h.Machine.Was(lab.RelayService, func(s *machine.Service) { s.Environment = variables })
		}
	}
	for _, c := range []struct {
		name        string
		before, put func(h *lab.Host)
		says        []string
		down        bool
	}{
		{"a file of the usual environment", nil, beside("Production", key), []string{"Relay:ApiKey is overridden by appsettings.Production.json"}, false},
		{"a file of the environment that the service has", was(map[string]string{"DOTNET_ENVIRONMENT": "Staging"}), beside("Staging", key),
			[]string{"Relay:ApiKey is overridden by appsettings.Staging.json"}, false},
		{"a variable", nil, service(map[string]string{"Relay__ApiKey": "another"}), []string{"Relay:ApiKey is overridden by the service's environment variable Relay__ApiKey"}, false},
		{"an empty key, of which it ends", nil, beside("Production", `{"Relay":{"ApiKey":""}}`), []string{"IdentityMeshRelayAgent", "1067"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 3, Memory: true, Time: lab.Timing{RelayConnect: 8 * time.Second}}, "relaykey")
				h := w.relay(1)
				if c.before != nil {
					c.before(h)
				}
				when(h, "service.start", machine.Before, func() { c.put(h) })
				began := time.Now()
				_, o := w.run()
				if len(o.With(state.Proven)) != 1 || len(o.Left) != 1 || o.Left[0].Target.Name != h.Name || len(o.Down) != 1 || o.Down[0].CutOff == c.down { // it runs with the old key
					t.Fatalf("%v", o)
				}
				says(t, o.Left[0].Why, c.says...)
				hinted(t, o.Left[0].Why)
				if took := time.Since(began); took > time.Minute {
					t.Errorf("it was waited for: %s: %v", took, o)
				}
			})
		})
	}
}
