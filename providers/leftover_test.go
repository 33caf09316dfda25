package providers_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

// What a killed run has left beside a file that several secrets share is removed by whoever goes on with that run, and by nobody else: not
// by a run that is limited to another secret of the file, nor told as that one's. Where the document has that secret no more, whoever
// shares the file removes it.
func TestLeftoversAreTheirRuns(t *testing.T) {
	for _, c := range []struct{ killed, other, host, at string }{
		{"relaykey", "codesigning", "relay", "file.stage"},
		{"relaykey", "codesigning", "relay", "file.swap"},
		{"codesigning", "relaykey", "relay", "file.stage"},
		{"relaykey", "sqllogin", "admin", "file.stage"},
		{"sqllogin", "relaykey", "admin", "file.stage"},
	} {
		t.Run(c.killed+" killed at "+c.at+" beside "+c.other, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, c.killed, c.other)
				apply := func(kind string) *reconciler.Plan {
					s := w.only(kind)
					defer s.close()
					p, o := s.apply(nil)
					if o.Err != nil {
						t.Fatalf("only %s: %v", kind, o.Err)
					}
					return p
				}
				apply(c.other)
				host := map[string]*lab.Host{"relay": w.relay(1), "admin": w.lab.Admin}[c.host]
				w.killedIn(w.only(c.killed), host, c.at, machine.After)
				host.Points(nil)
				time.Sleep(10 * time.Minute)
				left := w.copies(host)
				if len(left) == 0 {
					t.Fatal("the killed run has left nothing")
				}
				if p := apply(c.other); !p.Empty() && c.at == "file.stage" { // else it starts what is down
					t.Errorf("%s has something to do: %+v", c.other, p.Steps())
				}
				if now := w.copies(host); !slices.Equal(now, left) {
					t.Errorf("left were %v, and now there are %v", left, now)
				}
				for _, change := range w.planned().Changes {
					if is := change.Status; c.at == "file.stage" && (change.Secret.Name == c.killed) != (is == reconciler.Rotate) {
						t.Errorf("%s is %s", change.Secret.Name, is)
					}
				}
				section := map[string]string{"relaykey": "relayKey", "codesigning": "codeSigning", "sqllogin": "sqlLogin"}[c.killed]
				spec := w.doc.Secrets[section]
				delete(w.doc.Secrets, section)
				if p := w.planned(); p.Empty() && len(p.Blocked()) == 0 {
					t.Errorf("nobody removes %v", left)
				}
				w.doc.Secrets[section] = spec
				if _, o := w.run(); o.Err != nil {
					t.Error(o.Err)
				}
				if now := w.copies(host); len(now) > 0 {
					t.Errorf("left for good: %v", now)
				}
			})
		})
	}
}

// copies are the files that a run has left beside others on a host.
func (w *world) copies(h *lab.Host) (left []string) {
	for _, path := range []string{lab.AdminSettings, lab.RelaySettings} {
		for _, suffix := range []string{winhost.StagedSuffix, winhost.BackupSuffix} {
			if _, _, err := h.Machine.FS.Read(path + suffix); err == nil {
				left = append(left, path+suffix)
			}
		}
	}
	return left
}
