package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
)

// A host's clock was ahead when a run swapped its file, and was set right since. Then its service restarts: no process is younger than
// that file, and it is as declared all the same. Nothing is restarted for it.
func TestAClockThatWasSetBackRestartsNothing(t *testing.T) {
	vendor()
	for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
		t.Run(host, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2)
				w.do("ahead", host)
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o.Err)
				}
				w.do("sync", host)
				w.do("stop", host)
				time.Sleep(10 * time.Second)
				w.do("start", host)
				time.Sleep(30 * time.Second)
				before := w.processes()
				w.run() // Admin may be asked to read its license, without a restart
				if now := w.processes(); !slices.Equal(now, before) {
					t.Errorf("%q, then %q", before, now)
				}
				if p := w.planned(); !p.Empty() || len(p.Blocked()) > 0 {
					for _, c := range p.Changes {
						t.Errorf("%s %s: %s", c.Secret, c.Status, c.Reason)
					}
				}
			})
		})
	}
}

// setBack are hosts, and the secrets in whose files their clock's time was, that was ahead then.
var setBack = map[string][][]string{
	"im-admin":  {{"license", "relaykey"}, {"sqllogin/alternating"}, {"sqllogin/single"}},
	"im-engine": {{"license"}, {"sqllogin/alternating"}, {"sqllogin/single"}},
	"relay-01":  {{"relaykey"}, {"codesigning"}},
}

func eachSetBack(t *testing.T, test func(t *testing.T, w *world, host string)) {
	vendor()
	for host, all := range setBack {
		for _, kinds := range all {
			t.Run(host+" "+strings.Join(kinds, ","), func(t *testing.T) {
				virtual(t, func(t *testing.T) { test(t, newWorld(t, 2, kinds...), host) })
			})
		}
	}
}

// again lets a service start anew, as a restart of its host does.
func (w *world) again(host string) {
	w.t.Helper()
	_, _ = w.lab.Break("stop", host) // it may be stopped
	time.Sleep(10 * time.Second)
	w.do("start", host)
	time.Sleep(30 * time.Second)
}

// stays demands that runs stop and start nothing, and have nothing left to do.
func (w *world) stays(when string) {
	w.t.Helper()
	before := w.processes()
	if _, o := w.run(); o.Err != nil || len(o.Down)+len(o.Left) > 0 {
		w.t.Errorf("%s: %v", when, o)
	}
	if now := w.processes(); !slices.Equal(now, before) {
		w.t.Errorf("%s: %q, then %q", when, before, now)
	}
	if p := w.planned(); !p.Empty() || len(p.Blocked()) > 0 {
		w.t.Errorf("%s: %+v", when, p.Changes)
	}
}

// A file was proven while its host's clock was ahead. The process that was started after the clock was set right has read it, before that
// clock has come to the file's time and after.
func TestAClockThatWasSetBackRestartsNothingLater(t *testing.T) {
	eachSetBack(t, func(t *testing.T, w *world, host string) {
		w.do("ahead", host)
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o.Err)
		}
		w.do("sync", host)
		w.again(host)
		w.stays("before the file's time")
		time.Sleep(10 * time.Minute)
		w.stays("after the file's time")
	})
}

// The clock is set right within a run, once the file is written: the process that is started then looks older than its file.
func TestAClockThatIsSetBackWithinARun(t *testing.T) {
	eachSetBack(t, func(t *testing.T, w *world, host string) {
		w.do("ahead", host)
		when(w.lab.Host(host), "file.swap", machine.After, func() { w.do("sync", host) })
		if _, o := w.run(); o.Err != nil || len(o.Left)+len(o.Down) > 0 {
			t.Fatal(o)
		}
		w.stays("at once")
		w.again(host)
		w.stays("before the file's time")
		time.Sleep(10 * time.Minute)
		w.stays("after the file's time")
	})
}

// A run was killed before it had proven anything: what the process has read is not known. It is started once more, and once only; the plan
// says what the clock has to do with it.
func TestAClockThatWasSetBackAfterARunWasKilled(t *testing.T) {
	eachSetBack(t, func(t *testing.T, w *world, host string) {
		if host == "im-engine" && len(w.doc.Secrets) == 1 && w.doc.Secrets["license"] != nil {
			return // its file is swapped under the process, and it starts again in any case
		}
		began := time.Now()
		w.do("ahead", host)
		w.killed(w.lab.Host(host), "service.start", machine.After)
		w.lab.Host(host).Points(nil)
		w.do("sync", host)
		time.Sleep(10 * time.Second)
		w.again(host)
		said := func(p *reconciler.Plan) (all []reconciler.Finding) {
			for _, c := range p.Changes {
				for _, f := range c.Findings {
					if f.Code == "file-ahead" {
						all = append(all, f)
					}
				}
			}
			return all
		}
		p, o := w.run()
		if o.Err != nil || len(o.Left)+len(o.Down) > 0 {
			t.Fatal(o)
		}
		f := said(p)
		if passed := time.Since(began) > 4*time.Minute; passed && len(f) == 0 {
			t.Log("the killed run took so long that the clock has come to the file's time")
		} else if len(f) != 1 || !strings.HasPrefix(f[0].Text, w.lab.Host(host).Name+": ") || !strings.Contains(f[0].Text, "the clock there says") || f[0].Hint == "" {
			t.Errorf("%+v: %s", f, p.Changes[0].Reason)
		}
		w.stays("after it")
		time.Sleep(10 * time.Minute)
		w.stays("after the file's time")
		w.again(host)
		w.stays("and another process")
	})
}

// The same of a logon: the process that the run has started after it had set the logon has it.
func TestAClockThatIsSetBackAfterALogonWasSet(t *testing.T) {
	vendor()
	for _, host := range []string{"im-admin", "im-engine"} {
		t.Run(host, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, "serviceaccount/now")
				w.do("ahead", host)
				when(w.lab.Host(host), "service.stop", machine.After, func() { w.do("sync", host) })
				if _, o := w.run(); o.Err != nil || len(o.Down) > 0 {
					t.Fatal(o)
				}
				w.stays("at once")
				time.Sleep(10 * time.Minute)
				w.stays("after the logon's time")
			})
		})
	}
}
