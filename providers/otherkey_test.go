package providers_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state/memory"
)

// Settings are edited by hand while their service runs, and a run that is limited to another secret would restart it. Where the key,
// or the string, in them is not known to be the one that works, it restarts nobody, also where it does not look at the host that could
// tell; any other edit stops nothing.
func TestOnlyRestartsNoServiceOnWhatSomebodyElseWrote(t *testing.T) {
	vendor()
	set := func(b []byte, key, value string) []byte {
		edited, err := appsettings.Set(b, key, secret.NewString(value))
		if err != nil {
			panic(err)
		}
		return edited
	}
	other := func(b []byte) []byte {
		return set(b, "Relay:ApiKey", "another-key-of-some-length-0123456789abcdef")
	}
	str := func(b []byte) []byte {
		return set(b, "IdentityMesh:SqlConnectionString", "Server=sql01.lab.example;Database=IdentityMesh;User ID=im_app;Password=another-Password-1234")
	}
	harmless := func(b []byte) []byte { return append(b, '\n') }
	for _, c := range []struct {
		name, only, minder string
		known              bool // the ledger has what was proven last
		edit               func([]byte) []byte
		at                 []string
		refused            bool
		old                bool // with the time of an older file, as a copy has it
	}{
		{"another key than was proven", "codesigning", "relaykey", true, other, []string{"relay-01"}, true, false},
		{"a copy with another key", "codesigning", "relaykey", true, other, []string{"relay-01"}, true, true},
		{"another key, no ledger", "codesigning", "relaykey", false, other, []string{"relay-01"}, true, false},
		{"the key that was proven", "codesigning", "relaykey", true, harmless, []string{"relay-01", "relay-02"}, false, false},
		{"the same key as a relay that works", "codesigning", "relaykey", false, harmless, []string{"relay-01"}, false, false},
		{"the same key on all, and nobody knows whether it is Admin's", "codesigning", "relaykey", false, harmless, []string{"relay-01", "relay-02"}, true, false},
		{"another key on Admin", "sqllogin", "relaykey", true, other, []string{"im-admin"}, true, false},
		{"a copy with another key on Admin", "sqllogin", "relaykey", true, other, []string{"im-admin"}, true, true},
		{"the same key on Admin", "sqllogin", "relaykey", true, harmless, []string{"im-admin"}, false, false},
		{"another string on Engine", "license", "sqllogin", true, str, []string{"im-engine"}, true, false},
		{"a copy with another string on Engine", "license", "sqllogin", true, str, []string{"im-engine"}, true, true},
		{"another string on Admin", "relaykey", "sqllogin", true, str, []string{"im-admin"}, true, false},
		{"another string on Admin, no ledger", "relaykey", "sqllogin", false, str, []string{"im-admin"}, true, false},
		{"the same string on Engine", "license", "sqllogin", true, harmless, []string{"im-engine"}, false, false},
		{"the same string on Engine, no ledger", "license", "sqllogin", false, harmless, []string{"im-engine"}, false, false},
		{"the same string on Admin", "relaykey", "sqllogin", true, harmless, []string{"im-admin"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, c.minder, c.only)
				s := w.only(c.minder)
				if _, o := s.apply(nil); o.Err != nil {
					t.Fatal(o.Err)
				}
				s.close()
				if !c.known {
					m := memory.New().Open()
					w.state.Ledger, w.state.Lock = m, m
				}
				time.Sleep(15 * time.Minute)
				for _, name := range c.at {
					h := w.lab.Host(name)
					b, _, err := h.Machine.FS.Read(h.Settings())
					if err != nil {
						t.Fatal(err)
					}
					if c.old {
						copied(t, h, h.Settings(), c.edit(b))
					} else {
						write(t, h, h.Settings(), c.edit)
					}
				}
				time.Sleep(time.Minute)
				s = w.only(c.only)
				p, o := s.apply(nil)
				s.close()
				f, said := finding(p, map[string]string{"relaykey": "restart-other-key", "sqllogin": "start-on-old-string"}[c.minder])
				if said != c.refused || said && f.Severity != reconciler.Error || c.refused != (len(p.Blocked()) > 0) {
					t.Errorf("%v: %+v", o.Err, p.Changes)
				}
				if said && !slices.Contains(f.Hosts, w.lab.Host(c.at[0]).Name) {
					t.Errorf("%+v", f)
				}
				if !c.refused && o.Err != nil {
					t.Error(o.Err)
				}
				time.Sleep(time.Minute)
				if err := w.together(); err != nil || w.lab.Connected() != 2 {
					t.Errorf("%v, %d relays are connected", err, w.lab.Connected())
				}
			})
		})
	}
}

// Somebody edits a relay's settings right after a run has written them: that is said, however short it is after the run.
func TestAnEditRightAfterARun(t *testing.T) {
	vendor()
	for _, since := range []time.Duration{time.Second, time.Hour} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, "relaykey", "codesigning")
			s := w.only("relaykey")
			_, o := s.apply(nil)
			s.close()
			newer := func() bool {
				s := w.only("codesigning")
				defer s.close()
				f, said := finding(s.look().Plan, "settings-newer")
				return said && f.Severity == reconciler.Warning && slices.Equal(f.Hosts, []string{w.relay(1).Name})
			}
			if o.Err != nil || newer() {
				t.Errorf("it is said of our own run: %v", o.Err)
			}
			time.Sleep(since)
			w.do("edit", "relay-01")
			time.Sleep(time.Second)
			if !newer() {
				t.Errorf("%s after it: it is not said", since)
			}
		})
	}
}

// Somebody has put another license there, and a run for another secret restarts the service that has not read it: that is said before.
func TestARestartForAnotherSecretSaysThatTheLicenseIsAnother(t *testing.T) {
	vendor()
	for _, c := range []struct{ only, host string }{{"sqllogin", "im-engine"}, {"sqllogin", "im-admin"}, {"relaykey", "im-admin"}} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, "license", c.only)
			s := w.only("license")
			s.apply(nil)
			s.close()
			time.Sleep(15 * time.Minute)
			says := func() bool {
				s := w.only(c.only)
				defer s.close()
				f, said := finding(s.look().Plan, "restart-other-license")
				if said && (f.Severity != reconciler.Warning || !slices.Equal(f.Hosts, []string{w.lab.Host(c.host).Name})) {
					t.Errorf("%+v", f)
				}
				return said
			}
			if says() {
				t.Errorf("%v: it is said of our own", c)
			}
			write(t, w.lab.Host(c.host), lab.LicenseFile, func([]byte) []byte { return []byte("no license") })
			time.Sleep(time.Minute)
			if !says() {
				t.Errorf("%v: it is not said", c)
			}
		})
	}
}
