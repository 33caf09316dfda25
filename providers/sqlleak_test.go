package providers_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"meshrotate/providers/lab"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// wide is a text as TDS carries it.
func wide(text string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

// mangled is how LOGIN7 hides a password (MS-TDS 2.2.6.4): it is no protection, and everybody may undo it.
func mangled(text string) []byte {
	b := wide(text)
	for i, c := range b {
		b[i] = (c<<4 | c>>4) ^ 0xa5
	}
	return b
}

// No log of a host or of SQL Server holds a secret after a rotation. On the wire to SQL Server, inside TLS, a password is in the
// statement that sets it and in the sign-ins that prove it, and in nothing else; no answer holds one.
func TestNoLogHoldsASecretOfTheSQLLogin(t *testing.T) {
	vendor()
	for _, c := range []struct {
		mode      string
		contained bool
		windows   bool // meshrotate signs in as an account of Windows
		hosts     bool // the strings are tried from the hosts too
		replicas  int
	}{{"alternating", false, false, true, 2}, {"single", false, true, true, 1}, {"external", false, false, true, 1}, {"alternating", true, false, false, 1}, {"single", true, false, false, 2}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: c.mode, Contained: c.contained, Replicas: c.replicas}, "sqllogin")
				if c.windows {
					w.doc.Connect.SQL.Auth, w.doc.Connect.SQL.User = "ntlm", lab.Domain+`\`+lab.User
				}
				if c.hosts {
					w.doc.Secrets["sqlLogin"].(*sqllogin.Spec).ProveFrom = "hosts"
				}
				wire := w.tap()
				w.loggedIn(lab.NewLogin)
				w.keptOffTheWire(wire())
				rotationtest.Search(t, w.secrets(), w.said())
				logged := slices.Collect(maps.Values(w.logged))
				for _, kind := range []string{"4688", "4103", "4104", "sql"} {
					if !slices.Contains(logged, kind) {
						t.Errorf("nothing was logged as %s", kind)
					}
				}
			})
		})
	}
}

// Of every kind of secret, all due at once, no log of a host or of SQL Server holds a value, and no message to or from SQL Server one that
// is not to be there: neither those of meshrotate, nor those of the services and of secretscli, which sign in by the driver here. A
// connector's value on a command line, where the document permits that, is in process auditing (4688) and nowhere else.
func TestNoLogHoldsASecretOfAnyKind(t *testing.T) {
	vendor()
	for _, argument := range []bool{false, true} {
		t.Run(fmt.Sprintf("argument %v", argument), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				kinds := []string{"license", "relaykey", "sqllogin/single", "serviceaccount/kpasswd", "connector/before", "codesigning/build"}
				w := newWorldAt(t, lab.Config{Relays: 2, Memory: true, Drivers: true, Login: "single", Account: accountMode(kinds), Connectors: 2, Signing: signing(kinds), Build: building(kinds)}, kinds...)
				if argument {
					w.lab.SetCLI(lab.CLI{Echoes: true})
					w.connectorSpec().Argv = "permitted"
				} else {
					w.lab.SetCLI(lab.CLI{Stdin: true, Echoes: true})
				}
				wire := w.tap()
				p, o := w.run()
				if o.Err != nil || p.Count(reconciler.Rotate) < len(kinds) || len(o.With(state.Proven)) != len(p.Changes) {
					t.Fatalf("%v, %+v", o, p.Blocked())
				}
				w.keptOffTheWire(wire())
				audited := w.takeAudited()
				if audited != argument {
					t.Errorf("process auditing has a value: %v", audited)
				}
				rotationtest.Search(t, w.secrets(), w.said())
				for _, kind := range []string{"4688", "4103", "4104", "sql"} {
					if !slices.Contains(slices.Collect(maps.Values(w.logged)), kind) {
						t.Errorf("nothing was logged as %s", kind)
					}
				}
			})
		})
	}
}

// takeAudited takes the calls with a connector's value out of what process auditing has, and says whether there was one.
func (w *world) takeAudited() (seen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ref := range w.lab.Refs() {
		_, next := w.lab.ConnectorSecrets(ref)
		for text, kind := range w.logged {
			if kind == "4688" && strings.Contains(text, next) {
				seen = true
				delete(w.logged, text)
			}
		}
	}
	return seen
}

type wireMessage struct {
	fromClient bool
	body       []byte
}

// tap keeps the messages to and from SQL Server.
func (w *world) tap() func() []wireMessage {
	var mu sync.Mutex
	var all []wireMessage
	w.lab.TrafficSQL(func(fromClient bool, message []byte) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, wireMessage{fromClient, bytes.Clone(message)})
	})
	return func() []wireMessage {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func (w *world) keptOffTheWire(all []wireMessage) {
	w.t.Helper()
	set, signedIn := 0, 0
	for _, m := range all {
		alter := m.fromClient && (bytes.Contains(m.body, wide("ALTER LOGIN [")) || bytes.Contains(m.body, wide("ALTER USER [")))
		for name, value := range w.secrets() {
			text := string(value)
			if m.fromClient && strings.Contains(name, "password") && bytes.Contains(m.body, mangled(text)) {
				signedIn++
			}
			switch {
			case bytes.Contains(m.body, value):
				w.t.Errorf("a message holds %s", name)
			case !bytes.Contains(m.body, wide(text)):
			case alter && name == "the new SQL password":
				set++
			default:
				w.t.Errorf("a message to or from SQL Server holds %s (from us: %v)", name, m.fromClient)
			}
		}
	}
	if len(all) == 0 || signedIn == 0 {
		w.t.Errorf("%d messages, %d sign-ins, %d changes: nothing was seen", len(all), signedIn, set)
	}
}
