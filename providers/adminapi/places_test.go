package adminapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// What stands beside a list, or beside what an entry says of its connection, is another after a restart. What was read at first is read
// then.
func TestLaterAnswersAreReadWhereTheFirstWas(t *testing.T) {
	const up, later, ghost = `"connected":true,"lastHeartbeatUtc":"2026-11-23T06:00:00Z"`, `"connected":true,"lastHeartbeatUtc":"2026-11-23T07:00:00Z"`, `"connected":false,"lastHeartbeatUtc":"2026-11-23T06:30:00Z"`
	for name, bodies := range map[string][2]string{
		"an empty list beside":     {`{"agents":[{"name":"a",` + up + `}],"alerts":[]}`, `{"agents":[{"name":"a",` + later + `}],"alerts":[{"relay":"a"}]}`},
		"deeper":                   {`{"result":{"nodes":[{"name":"a",` + up + `}]},"diagnostics":{"warnings":[]}}`, `{"result":{"nodes":[{"name":"a",` + later + `}]},"diagnostics":{"warnings":[{"code":17}]}}`},
		"those that are off":       {`{"online":[{"name":"a",` + up + `}],"offline":[]}`, `{"online":[{"name":"a",` + later + `}],"offline":[{"name":"a",` + ghost + `}]}`},
		"in groups":                {`[{"name":"hq","relays":{"on":[{"name":"a",` + up + `}],"off":[]}}]`, `[{"name":"hq","relays":{"on":[{"name":"a",` + later + `}],"off":[{"name":"a",` + ghost + `}]}}]`},
		"a nearer list":            {`{"x":{"agents":[{"name":"a",` + up + `}]},"alerts":[]}`, `{"x":{"agents":[{"name":"a",` + later + `}]},"alerts":[{"name":"a",` + ghost + `}]}`},
		"an earlier connection":    {`[{"name":"a","connection":{` + up + `},"previous":null}]`, `[{"name":"a","connection":{` + later + `},"previous":{` + ghost + `}}]`},
		"a nearer one":             {`[{"name":"a","x":{"connection":{` + up + `}},"previous":null}]`, `[{"name":"a","x":{"connection":{` + later + `}},"previous":{` + ghost + `}}]`},
		"a region":                 {`[{"machine":{"name":"a"},` + up + `,"region":null}]`, `[{"machine":{"name":"a"},` + later + `,"region":{"name":"eu"}}]`},
		"another field":            {`[{"name":"a",` + up + `,"isOnline":null}]`, `[{"name":"a",` + later + `,"isOnline":false}]`},
		"a field that goes before": {`[{"name":"a","status":"Connected","lastSeen":"2026-11-23T06:00:00Z","lastHeartbeat":null}]`, `[{"name":"a","online":false,"status":"Connected","lastSeen":"2026-11-23T07:00:00Z","lastHeartbeat":"2026-11-23T06:30:00Z"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, bodies[min(n, 1)])
				n++
			}))
			defer server.Close()
			c, err := New(Config{URL: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for i, hour := range []int{6, 7, 7} {
				r, err := c.Relays(t.Context())
				if err != nil || len(r.List) != 1 || r.List[0].Name != "a" || !r.List[0].IsConnected() || r.List[0].LastHeartbeat.Hour() != hour {
					t.Errorf("reading %d: %+v, %v", i, r.List, err)
				}
			}
		})
	}
}

// What the first answer did not have is found in a later one; and so is what does not stand any more where it was.
func TestWhatTheFirstAnswerLacks(t *testing.T) {
	var p places
	read := func(body string) Relay {
		r, err := readRelays([]byte(body), Fields{places: &p})
		p.keep()
		if err != nil || len(r.List) != 1 {
			t.Fatalf("%s: %+v, %v", body, r, err)
		}
		return r.List[0]
	}
	read(`[{"name":"a"}]`)
	read(`[{"name":"a","link":{"connected":true},"was":{"connected":false}}]`) // not known
	if r := read(`[{"name":"a","link":{"connected":true}}]`); !r.IsConnected() {
		t.Errorf("%+v", r)
	}
	if r := read(`[{"name":"a","link":{"connected":true},"was":{"connected":false}}]`); !r.IsConnected() {
		t.Errorf("%+v", r)
	}
	if r := read(`[{"name":"a","link":null,"status":"Offline"}]`); r.Connected == nil || *r.Connected {
		t.Errorf("%+v", r)
	}
	if r := read(`[{"name":"a","link":{"connected":"perhaps"},"status":"Online"}]`); r.Connected != nil || len(r.Odd) != 1 {
		t.Errorf("%+v", r)
	}
	if r, err := readRelays([]byte(`{"alerts":[{"name":"a"}]}`), Fields{places: &p}); err == nil {
		t.Errorf("another list: %+v", r)
	}
}

// Of several lists it is the one that tells of connections, if that is one.
func TestTheListThatTellsOfConnections(t *testing.T) {
	const a = `{"name":"a","connected":true,"lastHeartbeatUtc":"2026-11-23T06:00:00Z"}`
	for body, want := range map[string]bool{
		`{"agents":[` + a + `],"alerts":[{"name":"a","status":"Disconnected"}]}`:                                                true,
		`{"x":{"agents":[` + a + `]},"y":{"alerts":[{"relay":"a","lastSeen":"2026-11-23T06:00:00Z"}]}}`:                         true,
		`{"on":[` + a + `],"off":[` + a + `]}`:                                                                                  false,
		`{"on":[` + a + `],"was":[` + a + `],"off":[{"name":"a","connected":false,"lastHeartbeatUtc":"2026-11-23T05:00:00Z"}]}`: false,
		`{"agents":[{"name":"a"}],"alerts":[{"name":"b"}]}`:                                                                     false,
		`{"links":[{"rel":"self"}],"x":[` + a + `],"y":[{"id":"eu"}]}`:                                                          true,
	} {
		r, err := readRelays([]byte(body), Fields{})
		if (err == nil) != want || want && (len(r.List) != 1 || r.List[0].Name != "a") {
			t.Errorf("%s: %+v, %v", body, r, err)
		}
	}
}

// A word that may be of a registration is compared with plainer ones, whatever said before that a relay is off.
func TestARegistrationIsNoPlaceOfAConnection(t *testing.T) {
	var p places
	for body, want := range map[string]string{
		`[{"name":"a","status":"Active","link":{"connected":false}}]`: "unknown",
		`[{"name":"a","status":"Active","link":{"connected":true}}]`:  "yes",
		`[{"name":"a","status":"Offline","link":null}]`:               "no",
	} {
		p.known, p.found = map[string][]string{"connected": {"status"}}, map[string][]string{}
		r, err := readRelays([]byte(body), Fields{places: &p})
		if err != nil {
			t.Fatal(err)
		}
		got := "unknown"
		if c := r.List[0].Connected; c != nil {
			got = map[bool]string{true: "yes", false: "no"}[*c]
		}
		if got != want {
			t.Errorf("%s: %s", body, got)
		}
	}
}

func TestObjectsAreReadWhereTheFirstWas(t *testing.T) {
	var p places
	for i, body := range []string{`{"current":{"tier":"Gold"},"previous":null}`, `{"current":{"tier":"Tin"},"previous":{"tier":"Gold"}}`, `{"current":null,"previous":{"tier":"Gold"}}`} {
		o, err := readObject(json.RawMessage(body))
		o.places = &p
		if want := []string{"Gold", "Tin", "Gold"}[i]; err != nil || o.Text("tier") != want {
			t.Errorf("%s: %q, %v", body, o.Text("tier"), err)
		}
		p.keep()
	}
	list := func(body string) string {
		all, err := readList([]byte(body), &p, Listed{Tells: tells})
		p.keep()
		if err != nil || len(all) == 0 {
			return fmt.Sprint(err)
		}
		return all[0].Text("name")
	}
	for i, body := range []string{`{"connectors":[{"name":"a"}],"failures":[]}`, `{"connectors":[{"name":"a"}],"failures":[{"name":"b"}]}`} {
		if got := list(body); got != "a" {
			t.Errorf("%d: %s", i, got)
		}
	}
	if all, err := readList([]byte(`{"connectors":[],"failures":[{"name":"b"}]}`), &p, Listed{Tells: tells}); err != nil || len(all) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
}
