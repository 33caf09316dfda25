package providers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/connect"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
	"meshrotate/providers/lab/wsman"
	"meshrotate/reconciler/session"
	"meshrotate/specs"
	"meshrotate/state"
)

// authority signs the certificate of the state's SQL Server.
var authority = sync.OnceValues(func() (server tls.Certificate, pem []byte) {
	server, pem, err := tds.Issue("sql09.lab.example")
	if err != nil {
		panic(err)
	}
	return server, pem
})

// stateServer is a SQL Server for the state alone.
type stateServer struct {
	model *sqlserver.Server
	wire  *tds.Server
	hang  atomic.Bool
}

// inSQL puts what the world remembers into a database.
func (w *world) inSQL() *stateServer {
	w.t.Helper()
	certificate, pem := authority()
	q := &stateServer{model: sqlserver.New(sqlserver.Config{})}
	q.wire = &tds.Server{Instance: q.model, Encryption: tds.Required, Certificate: certificate, Faults: func(wsman.Event) (f wsman.Fault) {
		if q.hang.Load() {
			f.Kind = wsman.Hang
		}
		return f
	}}
	w.t.Cleanup(func() { time.Sleep(10 * time.Second); _ = q.wire.Close(); q.model.Close(); q.model.Data().Close() })
	q.model.Data().SetDatabase("meshrotate", nil)
	q.model.SetLogin(lab.User, func(l *sqlserver.Login) {
		l.Password, l.DefaultDatabase = w.lab.Password, "meshrotate"
		q.model.Data().SetUser("meshrotate", lab.User, l.SID, "db_owner")
	})
	if err := os.WriteFile(filepath.Join(w.dir, "keys", "state.pem"), pem, 0o600); err != nil {
		w.t.Fatal(err)
	}
	doc := *w.doc
	doc.State.SQL = &specs.StateSQL{Server: "sql09.lab.example", Database: "meshrotate", Schema: "meshrotate", User: lab.User,
		Password: &specs.Source{Env: "IM_LAB_PASSWORD"}, CAFile: "keys/state.pem"}
	w.doc = &doc
	folder := w.state
	w.state = q.open(w)
	entries, err := folder.Ledger.Entries(w.t.Context())
	if err == nil {
		err = w.state.Ledger.Append(w.t.Context(), entries...)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for _, kind := range []string{"relaykey", "license"} {
		names, err := folder.Values.List(w.t.Context(), kind)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, name := range names {
			content, err := folder.Values.Read(w.t.Context(), name)
			if err == nil {
				err = w.state.Values.Create(w.t.Context(), name, content)
			}
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return q
}

// open is the database in the hands of another process.
func (q *stateServer) open(w *world) state.State {
	w.t.Helper()
	s, err := connect.OpenState(w.doc, connect.Options{LookupEnv: w.lab.Env, DialSQL: func(ctx context.Context, _, _ string) (net.Conn, error) { return q.wire.Dial(ctx) }})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// leave takes the server away: it refuses, or says nothing any more.
func (q *stateServer) leave(silent bool, away time.Duration) {
	if silent {
		q.hang.Store(true)
		time.AfterFunc(away, func() { q.hang.Store(false) })
		return
	}
	q.model.Down(true)
	time.AfterFunc(away, func() { q.model.Down(false) })
}

// The database of the state goes away while services are down. They come up as soon as ever, everything is proven, and the
// record is whole.
func TestTheStateIsAwayInTheSwitch(t *testing.T) {
	vendor()
	authority()
	quiet := map[string]float64{}
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2)
		_, o := w.run()
		for _, e := range o.Secrets {
			for _, out := range e.Outages {
				quiet[out.What] = max(quiet[out.What], out.Measured)
			}
		}
	})
	for _, host := range []string{"im-admin", "relay-01"} {
		for _, op := range []string{"file.stage", "service.stop", "file.swap", "service.start"} {
			for _, away := range []time.Duration{5 * time.Second, time.Minute} {
				for _, silent := range []bool{false, true} {
					t.Run(fmt.Sprint(host, " ", op, " ", away, silent), func(t *testing.T) {
						t.Parallel()
						virtual(t, func(t *testing.T) {
							w := newWorld(t, 2)
							q := w.inSQL()
							left := false
							h := w.lab.Host(host)
							h.Points(func(p machine.Point) machine.Action {
								if !left && p.Op == op && p.When == machine.After && !w.marks(p) {
									left = true
									q.leave(silent, away)
								}
								return machine.Action{}
							})
							_, o := w.run()
							if !left {
								t.Fatal("it was never away")
							}
							if o.Err != nil && op == "file.stage" && away > 15*time.Second {
								w.before(o.Err.Error())
							} else if o.Err != nil || len(o.Down) > 0 || len(o.Left) > 0 || len(o.With(state.Proven)) != 2 {
								t.Errorf("%v", o)
							}
							for _, e := range o.Secrets {
								for _, out := range e.Outages {
									if out.Measured > quiet[out.What]+6 {
										t.Errorf("%s was down for %.1f s, and %.1f s otherwise", out.What, out.Measured, quiet[out.What])
									}
								}
							}
							time.Sleep(away)
							h.Points(nil)
							w.converged()
							w.whole()
						})
					})
				}
			}
		}
	}
}

// before: nothing was stopped, and everything is as it was.
func (w *world) before(why string) {
	w.t.Helper()
	if err := w.up(); err != nil {
		w.t.Errorf("%s: %v", why, err)
	}
	if err := w.keyWorks(w.old, w.kept("relaykey", lab.NewKey)); err != nil {
		w.t.Errorf("%s: %v", why, err)
	}
}

// whole: every rotation on record has an ending, and the lock is free.
func (w *world) whole() {
	w.t.Helper()
	entries, err := w.state.Ledger.Entries(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range state.NewHistory(entries).Rotations("") {
		if r.Ended.IsZero() {
			w.t.Errorf("no ending: %+v", r)
		}
	}
	if h, held, err := w.state.Lock.Current(w.t.Context()); held || err != nil {
		w.t.Errorf("the lock: %+v, %v", h, err)
	}
}

// Two machines with one database begin at the same time: one works and proves, the other says who holds the lock.
func TestTwoMachinesWithOneState(t *testing.T) {
	vendor()
	authority()
	for round := range 8 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2)
				q := w.inSQL()
				by := []string{"ann@one", "bob@two"}
				done, errs := make([]*session.Applied, 2), make([]error, 2)
				var both sync.WaitGroup
				for i := range by {
					other := &world{t: w.t, lab: w.lab, dir: w.dir, doc: w.doc, old: w.old, seal: w.seal, memory: true, logged: map[string]string{}, opened: w.opened, state: q.open(w)}
					both.Go(func() {
						time.Sleep(time.Duration(i*round) * 300 * time.Millisecond)
						done[i], errs[i] = other.as(by[i], nil)
					})
				}
				both.Wait()
				worked := 0
				for i := range by {
					var held *state.HeldError
					switch {
					case errs[i] == nil && done[i].Run != "":
						worked++
						if o := done[i].Outcome; o.Err != nil || len(o.With(state.Proven)) != 2 {
							t.Errorf("%s: %v", by[i], o)
						}
					case !errors.As(errs[i], &held):
						t.Errorf("%s: %v", by[i], errs[i])
					case held.Marker != "" || held.Holder.By != "ann" && held.Holder.By != "bob":
						t.Errorf("%s was not told who: %v", by[i], errs[i])
					}
				}
				if worked != 1 {
					t.Errorf("%d worked", worked)
				}
				w.converged()
				w.whole()
			})
		})
	}
}
