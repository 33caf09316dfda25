package providers_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/rotations/license"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// Whatever Admin's API answers that a later step depends on, the plan says so, and nothing is stopped for what could not succeed.
func TestAnswersThatNothingWouldProve(t *testing.T) {
	vendor()
	for _, c := range []struct {
		mishap, host string
		kinds        []string
		code         string
		says         []string // in the finding, with its hint
	}{
		{"ready-404", "im-admin", []string{"relaykey"}, "admin-endpoint", []string{"GET /health/ready", "HTTP 404", "product.api"}},
		{"ready-404", "im-admin", []string{"sqllogin"}, "admin-endpoint", []string{"GET /health/ready", "HTTP 404"}},
		{"ready-404", "im-admin", []string{"serviceaccount"}, "admin-endpoint", []string{"GET /health/ready", "HTTP 404"}},
		{"ready-404", "im-admin", []string{"codesigning"}, "admin-endpoint", []string{"GET /health/ready", "HTTP 404"}},
		{"ready-403", "im-admin", []string{"relaykey"}, "admin-endpoint", []string{"HTTP 403", "permission"}},
		{"ready-page", "im-admin", []string{"relaykey"}, "admin-endpoint", []string{"web page"}},
		{"ready-503", "im-admin", []string{"relaykey"}, "admin-unwell", []string{"HTTP 503", "log"}},
		{"ready-503", "im-admin", []string{"sqllogin"}, "admin-unwell", []string{"HTTP 503", "database"}},
		{"ready-unhealthy", "im-admin", []string{"relaykey"}, "admin-unwell", []string{"HTTP 200, and it says Unhealthy"}},
		{"ready-unhealthy", "im-admin", []string{"sqllogin"}, "admin-unwell", []string{"HTTP 200, and it says Unhealthy"}},
		{"dashboard-error", "im-admin", []string{"sqllogin"}, "admin-endpoint", []string{"GET /api/dashboard", "it says that it failed, with status 200"}},
		{"dashboard-404", "im-admin", []string{"sqllogin"}, "admin-endpoint", []string{"GET /api/dashboard", "HTTP 404", "product.api"}},
		{"dashboard-403", "im-admin", []string{"sqllogin"}, "admin-endpoint", []string{"GET /api/dashboard", "HTTP 403"}},
		{"dashboard-500", "im-admin", []string{"sqllogin"}, "admin-unwell", []string{"GET /api/dashboard", "HTTP 500"}},
		{"dashboard-page", "im-admin", []string{"sqllogin"}, "admin-endpoint", []string{"a web page"}},
		{"relays-404", "im-admin", []string{"relaykey"}, "admin-api", []string{"/api/relays", "HTTP 404", "product.api"}},
		{"relays-403", "im-admin", []string{"relaykey"}, "admin-api", []string{"/api/relays", "HTTP 403", "dashboard.read"}},
		{"relays-401", "im-admin", []string{"relaykey"}, "admin-api", []string{"/api/relays", "HTTP 401"}},
		{"license-401", "im-admin", []string{"license"}, "admin-api", []string{"/api/license", "HTTP 401"}},
		{"license-403", "im-admin", []string{"license"}, "admin-api", []string{"/api/license", "HTTP 403"}},
		{"relays-503", "im-admin", []string{"relaykey"}, "admin-api", []string{"/api/relays", "HTTP 503", "run again"}},
		{"ready-204", "im-admin", []string{"relaykey"}, "admin-endpoint", []string{"HTTP 204"}},
		{"ready-302", "im-admin", []string{"relaykey"}, "admin-endpoint", []string{"login.example"}},
		{"relays-302", "im-admin", []string{"relaykey"}, "admin-api", []string{"login.example/sign-in"}},
		{"relays-204", "im-admin", []string{"relaykey"}, "admin-api", []string{"no content", "correct its path"}},
		{"relays-gzip", "im-admin", []string{"relaykey"}, "admin-api", []string{"encoded (gzip)"}},
		{"relays-cut", "im-admin", []string{"relaykey"}, "admin-api", []string{"not a list of relays"}},
		{"relays-more", "im-admin", []string{"relaykey"}, "admin-api", []string{"not a list of relays"}},
		{"relays-large", "im-admin", []string{"relaykey"}, "admin-api", []string{"longer than 16 MiB"}},
		{"relays-trickle", "im-admin", []string{"relaykey"}, "admin-api", []string{"too slow (HTTP 200)", "bytes of its answer came in 30s", "firewalls are not the reason"}},
		{"relays-empty", "im-admin", []string{"relaykey"}, "relay-list-names", []string{"which has no relay at all"}},
		{"relays-empty", "im-admin", []string{"relaykey"}, "no-relay-connected", []string{"Admin's list has no relay at all", "is not known", "GET /api/relays"}},
		{"relays-cached", "im-admin", []string{"relaykey"}, "relay-list-time", []string{"out of a cache", "1h10m", "pass GET"}},
		{"relays-stuck", "im-admin", []string{"relaykey"}, "relay-list-time", []string{"10m", "before the answer itself", "frozen"}},
		{"license-204", "im-admin", []string{"license"}, "admin-api", []string{"no content", "correct its path"}},
		{"license-302", "im-admin", []string{"license"}, "admin-api", []string{"login.example"}},
		{"license-null", "im-admin", []string{"license"}, "license-answer", []string{"no customer, no tier, no expiry", "secrets.license.fields"}},
		{"syncs-404", "im-admin", []string{"connector"}, "connector-syncs", []string{"/api/connectors", "HTTP 404", "secrets.connectors.syncs"}},
		{"license-404", "im-admin", []string{"license"}, "admin-api", []string{"/api/license", "HTTP 404"}},
		{"license-bare", "im-admin", []string{"license"}, "license-answer", []string{"no customer, no expiry"}},
		{"license-mask", "im-admin", []string{"license"}, "license-answer", []string{`customer "C***** Ltd"`, `"Contoso Ltd"`, "secrets.license.endpoint"}},
		{"license-edition", "im-admin", []string{"license"}, "license-answer", []string{`tier "Enterprise Edition"`, `read "Enterprise"`}},
		{"license-other", "im-admin", []string{"license"}, "license-state", []string{`status = "Expired"`, "something else", "secrets.license.fields.status"}},
		{"license-list", "im-admin", []string{"license"}, "admin-api", []string{"not an object"}},
		{"reload-404", "im-admin", []string{"license"}, "license-reload", []string{"OPTIONS /api/license/reload", "HTTP 404", "reloadEndpoint"}},
		{"reload-405", "im-admin", []string{"license"}, "license-reload", []string{"HTTP 405", "PUT, and no POST"}},
		{"dateless", "im-admin", []string{"relaykey"}, "relay-list-date", []string{"no Date header"}},
	} {
		t.Run(c.mishap+" "+c.kinds[0], func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, c.kinds...)
				w.do(c.mishap, c.host)
				time.Sleep(10 * time.Minute) // longer than anything takes to be ready
				seen := stopsAnywhere(w)
				p, o := w.run()
				f, found := finding(p, c.code)
				if !found || f.Severity != reconciler.Error || len(p.Blocked()) == 0 {
					t.Fatalf("it is not refused: %v %+v", o, p.Changes)
				}
				for _, word := range c.says {
					if !strings.Contains(f.Text+" "+f.Hint, word) {
						t.Errorf("it does not say %q: %+v", word, f)
					}
				}
				if all := seen(); len(all) > 0 {
					t.Errorf("%d services were stopped or started: %q", len(all), all)
				}
				w.do("sound", c.host)
				w.settled()
			})
		})
	}
}

// What can be read is read: a license is proven by an answer of another shape.
func TestAnswersOfAnotherShape(t *testing.T) {
	vendor()
	for _, mishap := range []string{"license-inner", "license-names", "license-spelling", "license-parts", "license-previous"} {
		t.Run(mishap, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "license")
				w.do(mishap, "im-admin")
				w.settled()
				if err := w.licensed(lab.NewLicense); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A mark before the list changes nothing of it.
func TestARelayListBehindAByteOrderMark(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		w.do("relays-bom", "im-admin")
		w.settled()
	})
}

// Names that nobody knows are said in the document.
func TestALicenseInNamesOfItsOwn(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "license")
		w.do("license-strange", "im-admin")
		seen := stopsAnywhere(w)
		w.refused("license-answer", "no customer", "no tier", "no expiry")
		spec := w.doc.Secrets["license"].(*license.Spec)
		spec.Fields = &license.Fields{Customer: "holder.legalName", Tier: "grade", Expires: "runsUntil"}
		w.refused("license-answer", "a time without its zone")
		if all := seen(); len(all) > 0 {
			t.Errorf("%q were stopped or started", all)
		}
		spec.Fields.Zone = "Asia/Kolkata"
		w.settled()
		if err := w.licensed(lab.NewLicense); err != nil {
			t.Error(err)
		}
	})
}

// Whether the account may have the license reloaded shows in no answer but that of the call itself: it is made before anything is
// changed, for the license that is there.
func TestAReloadThatIsRefused(t *testing.T) {
	vendor()
	for mishap, words := range map[string][]string{"reload-403": {"HTTP 403", "permission"}, "reload-500": {"HTTP 500"}} {
		t.Run(mishap, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "license")
				w.do(mishap, "im-admin")
				seen := stopsAnywhere(w)
				before := content(t, w.lab.Admin, lab.LicenseFile)
				_, o := w.run()
				says(t, o.Err, append(words, "POST /api/license/reload")...)
				hinted(t, o.Err)
				if all := seen(); len(all) > 0 || content(t, w.lab.Admin, lab.LicenseFile) != before || len(o.With(state.Back)) != 1 {
					t.Errorf("%q were stopped or started; %+v", all, o)
				}
				w.do("sound", "im-admin")
				w.settled()
			})
		})
	}
}

// A gateway that did not wait for Admin's answer says nothing of what Admin did: what it serves then does.
func TestAReloadBehindAGatewayThatDoesNotWait(t *testing.T) {
	vendor()
	for mishap, begins := range map[string]bool{"reload-504": true, "reload-502": false} { // whether the account may, such an answer does not say
		t.Run(mishap, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "license")
				if begins {
					w.do(mishap, "im-admin")
				} else {
					w.lab.Admin.Points(func(p machine.Point) machine.Action {
						if p.Op == "file.swap" && p.When == machine.Before && p.Object == lab.LicenseFile {
							w.do(mishap, "im-admin")
						}
						return machine.Action{}
					})
				}
				if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 {
					t.Errorf("%+v", o)
				}
				if err := w.licensed(lab.NewLicense); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Where it is refused only later, the file is put back, and that Admin serves what it served is proof enough that all is as before.
func TestAReloadThatIsRefusedLater(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "license")
		var posts atomic.Int32
		w.lab.WireAPI(func(e wsman.Event) wsman.Fault {
			if e.Action != "POST /api/license/reload" {
				return wsman.Fault{}
			}
			if posts.Add(1) == 1 {
				return wsman.Fault{}
			}
			return wsman.Fault{Kind: wsman.Status, Status: 403}
		})
		before := content(t, w.lab.Admin, lab.LicenseFile)
		_, o := w.run()
		says(t, o.Err, "HTTP 403")
		if content(t, w.lab.Admin, lab.LicenseFile) != before || len(o.With(state.Back)) != 1 || o.Halted || len(o.Down) > 0 {
			t.Errorf("%+v", o)
		}
		w.lab.WireAPI(nil)
		w.settled()
	})
}

// A connection that ends as Admin is asked for the license says nothing of the license: Admin is asked again.
func TestAReloadThatIsLost(t *testing.T) {
	vendor()
	for name, kind := range map[string]wsman.Kind{"before Admin heard it": wsman.CutBefore, "after Admin did it": wsman.CutAfter} {
		for _, which := range []int32{1, 2} { // the one that is tried before anything is stopped, and the one that counts
			t.Run(fmt.Sprintf("%s, request %d", name, which), func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 0, "license")
					var posts atomic.Int32
					w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
						if e.Action == "POST /api/license/reload" && posts.Add(1) == which {
							f.Kind = kind
						}
						return f
					})
					began := time.Now()
					if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 || time.Since(began) > 30*time.Second {
						t.Errorf("after %s: %v", time.Since(began), o)
					}
				})
			})
		}
	}
}

// The same on the way back: the license is put back, and Admin is asked until it has heard that.
func TestAReloadThatIsLostOnTheWayBack(t *testing.T) {
	vendor()
	for name, kind := range map[string]wsman.Kind{"before Admin heard it": wsman.CutBefore, "after Admin did it": wsman.CutAfter} {
		for _, kinds := range [][]string{{"license"}, {"license", "relaykey"}} {
			for lost := int32(1); lost <= 4; lost++ {
				t.Run(fmt.Sprintf("%s, %s, %d times", name, strings.Join(kinds, " "), lost), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := newWorld(t, 1, kinds...)
						var posts atomic.Int32
						w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
							if e.Action != "POST /api/license/reload" {
								return f
							}
							n := posts.Add(1)
							if n == 3 { // the first is tried before the switch, the second counts
								w.do("sound", "im-admin")
							}
							if n >= 3 && n < 3+lost {
								f.Kind = kind
							}
							return f
						})
						before := content(t, w.lab.Admin, lab.LicenseFile)
						s := w.process()
						_, o := s.apply(func() { w.do("license-edition", "im-admin") })
						s.close()
						if content(t, w.lab.Admin, lab.LicenseFile) != before || len(o.With(state.Back)) == 0 || o.Halted || len(o.Down) > 0 {
							t.Errorf("asked %d times: %v", posts.Load(), o)
						}
						w.settled()
					})
				})
			}
		}
	}
}

// Admin serves the next license in words that it did not use for the one before: that shows before any service stops, whatever else
// is rotated, and the file is put back.
func TestAnAnswerThatIsOtherOnlyThen(t *testing.T) {
	vendor()
	for _, kinds := range [][]string{{"license"}, {"license", "relaykey", "sqllogin"}, {"license", "serviceaccount"}} {
		t.Run(strings.Join(kinds, " "), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, kinds...)
				seen := stopsAnywhere(w)
				before := content(t, w.lab.Admin, lab.LicenseFile)
				s := w.process()
				_, o := s.apply(func() { w.do("license-edition", "im-admin") })
				s.close()
				says(t, o.Err, lab.Tier+" Edition")
				hinted(t, o.Err)
				if all := seen(); len(all) > 0 || content(t, w.lab.Admin, lab.LicenseFile) != before || len(o.Down) > 0 || len(o.With(state.Proven)) > 0 {
					t.Errorf("%q were stopped or started; %+v", all, o)
				}
				w.do("sound", "im-admin")
				w.settled()
			})
		})
	}
}

// Engine has not read its file since somebody changed it. That it runs on as before is no failure of the way back.
func TestTheWayBackOfAnEngineThatHasNotReadItsFile(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "license")
		time.Sleep(time.Hour)
		w.do("license", "im-engine")
		w.do("license-revoked", "im-admin")
		seen := stopsAnywhere(w)
		_, o := w.run()
		says(t, o.Err, "Revoked")
		if strings.Contains(o.Err.Error(), "undo failed") || len(o.With(state.Back)) != 1 || len(seen()) > 0 {
			t.Errorf("%+v", o)
		}
		w.do("sound", "im-admin")
		w.settled()
	})
}

// An Admin that was down before the run comes up with the new file, and says what it serves, before Engine stops; unless another
// secret has Engine down until Admin is up, in which case it costs nothing more.
func TestAnAnswerOfAnAdminThatWasDown(t *testing.T) {
	vendor()
	for _, c := range []struct {
		kinds   []string
		stopped bool // Engine, for another secret
	}{{[]string{"license"}, false}, {[]string{"license", "relaykey"}, false}, {[]string{"license", "relaykey", "sqllogin/single"}, true}} {
		t.Run(strings.Join(c.kinds, " "), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, c.kinds...)
				w.do("stop", "im-admin")
				w.await("it is down", func() bool { return w.lab.Admin.Machine.Service(lab.AdminService).State == "stopped" })
				engine := stops(w.lab.EngineHost)
				s := w.process()
				_, o := s.apply(func() { w.do("license-edition", "im-admin") })
				s.close()
				says(t, o.Err, lab.Tier+" Edition")
				if (engine.Load() > 0) != c.stopped {
					t.Errorf("Engine was stopped %d times: %v", engine.Load(), o)
				}
				w.do("sound", "im-admin")
				w.settled()
			})
		})
	}
}

// Admin may take its time to read the file. Nothing is down meanwhile.
func TestAReloadThatTakesLong(t *testing.T) {
	vendor()
	for _, mishap := range []string{"reload-slow", "reload-late"} {
		t.Run(mishap, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "license")
				w.do(mishap, "im-admin")
				old, served := w.lab.Served().Expires, false
				when(w.lab.EngineHost, "service.stop", machine.Before, func() { served = w.lab.Served().Expires.After(old) })
				_, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 1 || !served {
					t.Errorf("%+v; Engine was stopped before Admin served it: %t", o, !served)
				}
				w.settled()
			})
		})
	}
}

// An Admin that has only just started is waited for a moment. Where it is not ready then, nobody knows whether it gets so: nothing is
// begun, and the plan says when it is known.
func TestAnAdminThatIsStarting(t *testing.T) {
	vendor()
	for _, kinds := range [][]string{{"relaykey"}, {"sqllogin"}, {"codesigning"}} {
		t.Run(kinds[0], func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, kinds...)
				w.do("ready-503", "im-admin")
				adminStarted(w, 30*time.Second)
				seen := stopsAnywhere(w)
				p, _ := w.run()
				f, ok := finding(p, "admin-starting")
				if !ok || f.Severity != reconciler.Error || !strings.Contains(f.Text, "HTTP 503") || !strings.Contains(f.Hint, "plan again") {
					t.Errorf("%+v", p.Changes)
				}
				if all := seen(); len(all) > 0 {
					t.Errorf("%q were stopped or started", all)
				}
				time.AfterFunc(5*time.Second, func() { w.lab.Ail(false) })
				w.settled()
			})
		})
	}
}

// adminStarted lets Admin have started so long ago.
func adminStarted(w *world, ago time.Duration) {
	w.t.Helper()
	w.do("stop", "im-admin")
	w.await("it is down", func() bool { return w.lab.Admin.Machine.Service(lab.AdminService).State == "stopped" })
	w.do("start", "im-admin")
	time.Sleep(ago)
}

// settled demands that the next run ends well, and that the one after it has nothing to do, whatever the kinds.
func (w *world) settled() {
	w.t.Helper()
	if p, o := w.run(); o.Err != nil || len(o.Left) > 0 || len(p.Blocked()) > 0 {
		w.t.Errorf("the next run did not end well: %v, left %v, blocked %+v", o.Err, o.Left, p.Blocked())
	}
	if again := w.planned(); !again.Empty() || len(again.Blocked()) > 0 {
		w.t.Errorf("a further run plans %d steps: %+v", len(again.Steps()), again.Changes)
	}
}
