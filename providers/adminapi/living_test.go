package adminapi

import (
	"strings"
	"testing"
)

// What was connected before stands beside what is, in the first answer that a run reads and in later ones: what lives counts.
func TestOldConnectionsBesideTheLivingOnes(t *testing.T) {
	const up, off = `"connected":true,"lastHeartbeatUtc":"2026-11-23T07:00:00Z"`, `"connected":false,"lastHeartbeatUtc":"2026-11-23T06:00:00Z"`
	for name, c := range map[string]struct{ body, want string }{ // +a: a is connected, -a: it is not, ?a: nobody knows
		"a list of old ones":                     {`{"online":[{"name":"a",` + up + `}],"offline":[{"name":"a",` + off + `}]}`, "+a -a"},
		"and of one that is off":                 {`{"online":[{"name":"a",` + up + `}],"offline":[{"name":"b",` + off + `}]}`, "+a -b"},
		"three lists":                            {`{"on":[{"name":"a",` + up + `}],"gone":[{"name":"c",` + off + `}],"off":[{"name":"b",` + off + `}]}`, "+a -c -b"},
		"in groups":                              {`[{"name":"hq","relays":{"on":[{"name":"a",` + up + `}],"off":[{"name":"a",` + off + `}]}}]`, "+a -a"},
		"an old connection in the entry":         {`[{"name":"a","connection":{` + up + `},"previous":{` + off + `}}]`, "+a"},
		"deeper":                                 {`[{"name":"a","x":{"connection":{` + up + `}},"previous":{` + off + `}}]`, "+a"},
		"both are off: the later one counts":     {`[{"name":"a","connection":{` + strings.Replace(up, "true", "false", 1) + `},"previous":{` + off + `}}]`, "-a"},
		"both are connected":                     {`[{"name":"a","one":{` + up + `},"other":{` + strings.Replace(off, "false", "true", 1) + `}}]`, "+a"},
		"the later one is off":                   {`[{"name":"a","one":{` + strings.Replace(up, "true", "false", 1) + `},"other":{` + strings.Replace(off, "false", "true", 1) + `}}]`, "?a"},
		"which of them is later nobody can tell": {`[{"name":"a","one":{"connected":true},"other":{"connected":false}}]`, "?a"},
	} {
		t.Run(name, func(t *testing.T) {
			var p places
			for range 2 {
				r, err := readRelays([]byte(c.body), Fields{places: &p})
				p.keep()
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, one := range r.List {
					mark := "?"
					if one.Connected != nil {
						mark = map[bool]string{true: "+", false: "-"}[*one.Connected]
					}
					got = append(got, mark+one.Name)
					if hour := one.LastHeartbeat.Hour(); one.IsConnected() && hour != 7 && name != "both are connected" {
						t.Errorf("heard at %d", hour)
					}
				}
				if strings.Join(got, " ") != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			}
		})
	}
	var cut places // all are off at first: those that come back stand elsewhere
	for i, body := range []string{
		`{"online":[],"offline":[{"name":"a",` + off + `}]}`,
		`{"online":[{"name":"a",` + up + `}],"offline":[{"name":"b",` + off + `}]}`,
		`{"online":[{"name":"a",` + up + `},{"name":"b",` + up + `}],"offline":[{"name":"b",` + off + `}]}`,
		`{"online":[{"name":"a",` + up + `},{"name":"b",` + up + `}],"offline":[]}`,
	} {
		r, err := readRelays([]byte(body), Fields{places: &cut})
		cut.keep()
		n := 0
		for _, one := range r.List {
			if one.IsConnected() {
				n++
			}
		}
		if want := []int{0, 1, 2, 2}[i]; err != nil || n != want {
			t.Errorf("%s: %+v, %v", body, r.List, err)
		}
	}
	var p places // a relay is off in the first answer, and connects: another place is filled then
	for _, body := range []string{
		`[{"name":"a","connection":null,"previous":{` + off + `}},{"name":"b","connection":{` + up + `},"previous":null}]`,
		`[{"name":"a","connection":{` + up + `},"previous":{` + off + `}},{"name":"b","connection":{` + up + `},"previous":{` + off + `}}]`,
	} {
		r, err := readRelays([]byte(body), Fields{places: &p})
		p.keep()
		if err != nil || len(r.List) != 2 || !r.List[1].IsConnected() || strings.HasPrefix(body, `[{"name":"a","connection":{`) && !r.List[0].IsConnected() {
			t.Errorf("%s: %+v, %v", body, r.List, err)
		}
	}
}

func tells(o Object) bool { return o.Text("name") != "" && o.Text("status") != "" }

// Of several lists the one that tells of what is asked is meant, if that is one.
func TestTheListThatTells(t *testing.T) {
	for body, want := range map[string]int{
		`{"connectors":[{"name":"a","status":"ok"},{"name":"b"}],"failures":[{"code":17}]}`:                 2,
		`{"connectors":[{"name":"a","status":"ok"}],"old":{"connectors":[{"name":"a","status":"failed"}]}}`: 1,
		`{"connectors":[{"name":"a","status":"ok"}],"old":[{"name":"a","status":"failed"}]}`:                -1,
		`{"connectors":[{"name":"a"}],"failures":[{"name":"b"}]}`:                                           -1,
	} {
		list, err := readList([]byte(body), nil, Listed{Tells: tells})
		if (err != nil) != (want < 0) || err == nil && len(list) != want {
			t.Errorf("%s: %+v, %v", body, list, err)
		}
	}
}
