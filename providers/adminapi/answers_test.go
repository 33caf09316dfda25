package adminapi

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadRelays(t *testing.T) {
	yes, no := true, false
	beat := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	one := func(r Relay) Relays {
		if r.Names == nil {
			r.Names = []string{r.Name}
		}
		return Relays{List: []Relay{r}}
	}
	for _, test := range []struct {
		reason, body string
		want         Relays
	}{
		{"an empty array", `[]`, Relays{List: []Relay{}}},
		{"under relays", `{"relays":[{"name":"a","connected":true}]}`, one(Relay{Name: "a", Connected: &yes})},
		{"under items, Pascal case", `{"Items":[{"Name":"a","Connected":false}]}`, one(Relay{Name: "a", Connected: &no})},
		{"relays before items", `{"items":[],"relays":[{"name":"a"}]}`, one(Relay{Name: "a"})},
		{"hostName", `[{"hostName":"a"}]`, one(Relay{Name: "a"})},
		{"host", `[{"Host":"a"}]`, one(Relay{Name: "a"})},
		{"a machine's name with its domain", `[{"name":"A","machineName":"DMZ\\SRV-77$"}]`, one(Relay{Name: "A", Names: []string{"A", "SRV-77"}, Domain: "DMZ", Machine: "SRV-77"})},
		{"the computer's name", `[{"name":"A","computerName":"SRV-77"}]`, one(Relay{Name: "A", Names: []string{"A", "SRV-77"}, Machine: "SRV-77"})},
		{"machineName", `[{"MachineName":"A"}]`, one(Relay{Name: "A"})},
		{"the first name that is not empty", `[{"name":" ","hostName":null,"host":"h","machineName":"m"}]`, one(Relay{Name: "h", Names: []string{"h", "m"}, Machine: "m"})},
		{"lastHeartbeatUtc", `[{"name":"a","LastHeartbeatUtc":"2026-11-23T06:00:00Z"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"as SQL Server writes a moment", `[{"name":"a","lastHeartbeat":"2026-11-23 06:00:00.0000000 +00:00"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"an offset without a colon", `[{"name":"a","lastHeartbeat":"2026-11-23T07:00:00+0100"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"a FILETIME", `[{"name":"a","lastHeartbeat":134398872000000000}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"of the culture en-US", `[{"name":"a","lastHeartbeatUtc":"11/23/2026 6:00:00 AM"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"the same with a narrow blank", `[{"name":"a","lastHeartbeat":"11/23/2026 6:00:00\u202fAM"}]`, one(Relay{Name: "a", LastHeartbeat: beat, Zoneless: true})},
		{"of no culture", `[{"name":"a","lastHeartbeatUtc":"11/23/2026 06:00:00"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"a day before its month", `[{"name":"a","lastHeartbeatUtc":"23/11/2026 06:00:00"}]`, one(Relay{Name: "a", Odd: []string{`lastHeartbeatUtc = "23/11/2026 06:00:00"`}})},
		{"UTC in a word", `[{"name":"a","lastHeartbeat":"2026-11-23 06:00:00 UTC"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"a small z", `[{"name":"a","lastHeartbeat":"2026-11-23T06:00:00z"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"microseconds since 1970", `[{"name":"a","lastHeartbeat":1795413600000000}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{".NET's ticks", `[{"name":"a","lastHeartbeat":639310104000000000}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"a list under a name of its own", `{"agents":[{"name":"a"}],"errors":[],"codes":[1]}`, one(Relay{Name: "a"})},
		{"WCF", `{"GetRelaysResult":[{"name":"a"}]}`, one(Relay{Name: "a"})},
		{"an open connection", `[{"name":"a","connectionState":"Open"}]`, one(Relay{Name: "a", Connected: &yes})},
		{"lastSeenUtc without a zone", `[{"name":"a","lastSeenUtc":"2026-11-23T06:00:00"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"absent fields are unknown", `[{"name":"a"}]`, one(Relay{Name: "a"})},
		{"null fields are unknown", `[{"name":"a","connected":null,"lastHeartbeat":null,"version":null}]`, one(Relay{Name: "a", Odd: []string{"connected = null", "lastHeartbeat = null"}})},
		{"a text", `[{"name":"a","connected":"true"}]`, one(Relay{Name: "a", Connected: &yes})},
		{"a number", `[{"name":"a","connected":0}]`, one(Relay{Name: "a", Connected: &no})},
		{"a number of connections", `[{"name":"a","connected":2}]`, one(Relay{Name: "a", Connected: &yes})},
		{"an empty list by a usual name", `{"relays":[],"data":[{"name":"a","connected":true}]}`, one(Relay{Name: "a", Connected: &yes})},
		{"isConnected", `[{"name":"a","isConnected":true}]`, one(Relay{Name: "a", Connected: &yes})},
		{"a status", `[{"name":"a","status":"Connected"}]`, one(Relay{Name: "a", Connected: &yes})},
		{"another status", `[{"name":"a","connectionState":"Reconnecting"}]`, one(Relay{Name: "a", Connected: &no})},
		{"a status that nobody knows", `[{"name":"a","status":"Degraded"}]`, one(Relay{Name: "a", Odd: []string{`status = "Degraded"`}})},
		{"what is told plainly counts before a status", `[{"name":"a","connected":false,"status":"Active"}]`, one(Relay{Name: "a", Connected: &no})},
		{"/Date()/", `[{"name":"a","lastHeartbeat":"/Date(1795413600000)/"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"/Date()/ with an offset, which is for showing", `[{"name":"a","lastHeartbeat":"\/Date(1795413600000+0100)\/"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"seconds since 1970", `[{"name":"a","lastHeartbeat":1795413600}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"milliseconds since 1970", `[{"name":"a","lastSeen":1795413600000}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"whole minutes", `[{"name":"a","lastHeartbeatUtc":"2026-11-23T06:00Z"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"without a zone, in a field that does not say UTC", `[{"name":"a","lastHeartbeat":"2026-11-23T06:00:00"}]`, one(Relay{Name: "a", LastHeartbeat: beat, Zoneless: true})},
		{"another field's name", `[{"name":"a","lastContactUtc":"2026-11-23T06:00:00Z"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"a domain before the name", `[{"relayName":"CONTOSO\\RELAY-01"}]`, one(Relay{Name: "RELAY-01", Domain: "CONTOSO"})},
		{"a computer's account", `[{"name":"RELAY-01$"}]`, one(Relay{Name: "RELAY-01"})},
		{"a display name beside the machine's", `[{"displayName":"Berlin, floor 2","machineName":"relay-01","fqdn":"relay-01.hq.example"}]`,
			one(Relay{Name: "relay-01", Names: []string{"relay-01", "relay-01.hq.example", "Berlin, floor 2"}, Machine: "relay-01"})},
		{"under value, with a count", `{"@odata.count":1,"value":[{"name":"a"}]}`, func() Relays { r := one(Relay{Name: "a"}); r.Total = 1; return r }()},
		{"one page of two", `{"items":[{"name":"a"}],"totalCount":2,"nextLink":"/api/relays?page=2"}`, func() Relays { r := one(Relay{Name: "a"}); r.Total, r.next = 2, "/api/relays?page=2"; return r }()},
		{"more without a way to them", `{"items":[{"name":"a"}],"hasMore":true}`, func() Relays { r := one(Relay{Name: "a"}); r.More = true; return r }()},
		{"a next page that is a number", `{"items":[{"name":"a"}],"page":1,"nextPage":2}`, func() Relays { r := one(Relay{Name: "a"}); r.More = true; return r }()},
		{"a token", `{"items":[{"name":"a"}],"continuationToken":"abc"}`, func() Relays { r := one(Relay{Name: "a"}); r.More = true; return r }()},
		{"no more", `{"items":[{"name":"a"}],"hasMore":false,"nextPage":null,"continuationToken":"","pagination":{"totalItems":1,"totalPages":1}}`,
			func() Relays { r := one(Relay{Name: "a"}); r.Total, r.pages = 1, 1; return r }()},
		{"said in an object of its own", `{"items":[{"name":"a"}],"pagination":{"totalItems":3,"hasNextPage":true,"next":"?page=2"}}`,
			func() Relays { r := one(Relay{Name: "a"}); r.Total, r.More, r.next = 3, true, "?page=2"; return r }()},
		{"a key given twice, and not alike, is unknown", `[{"name":"a","connected":true,"Connected":null}]`, one(Relay{Name: "a", Odd: []string{"connected is there twice, and not alike"}})},
		{"never seen is .NET's year 1", `[{"name":"a","lastHeartbeat":"0001-01-01T00:00:00"}]`, one(Relay{Name: "a", Odd: []string{`lastHeartbeat = "0001-01-01T00:00:00"`}})},
		{"an unreadable time is unknown", `[{"name":"a","lastHeartbeat":"yesterday"}]`, one(Relay{Name: "a", Odd: []string{`lastHeartbeat = "yesterday"`}})},
		{"entries without a name are counted", `[{"connected":true},null,{"name":"a"}]`, Relays{List: []Relay{{Name: "a", Names: []string{"a"}}}, Unnamed: 2}},
		{"a terminal escape is no part of a name", `[{"name":"a\u001b[2J"}]`, one(Relay{Name: "a\uFFFD[2J"})},
		{"snake case", `[{"machine_name":"a","is_connected":true,"last_heartbeat_utc":"2026-11-23T06:00:00Z"}]`, one(Relay{Name: "a", Connected: &yes, LastHeartbeat: beat})},
		{"a count in a text", `[{"name":"a","lastHeartbeat":"1795413600"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"the number of a state", `[{"name":"a","status":1}]`, one(Relay{Name: "a", Odd: []string{"status = 1"}})},
		{"and in a text", `[{"name":"a","connectionState":"0"}]`, one(Relay{Name: "a", Odd: []string{`connectionState = "0"`}})},
		{"said in an object in the entry", `[{"name":"a","connection":{"state":"Connected","lastHeartbeatUtc":"2026-11-23T06:00:00Z"}}]`, one(Relay{Name: "a", Connected: &yes, LastHeartbeat: beat})},
		{"the entry goes before what is in it", `[{"status":"Connected","name":"a","service":{"connected":false,"name":"b"}}]`, one(Relay{Name: "a", Connected: &yes})},
		{"a state that says otherwise", `[{"name":"a","connected":"true","status":"Disconnected"}]`, one(Relay{Name: "a", Odd: []string{`connected says true, and status = "Disconnected"`}})},
		{"a state that says so though it is not", `[{"name":"a","connected":false,"connectionState":"Connected"}]`, one(Relay{Name: "a", Odd: []string{`connected says false, and connectionstate = "Connected"`}})},
		{"a state that says the same", `[{"name":"a","connected":true,"status":"Connected"}]`, one(Relay{Name: "a", Connected: &yes})},
		{"a state of something else", `[{"name":"a","connected":false,"status":"Active","state":1}]`, one(Relay{Name: "a", Connected: &no})},
		{"two in it that differ", `[{"name":"a","up":{"connected":true},"down":{"connected":false}}]`, one(Relay{Name: "a", Odd: []string{"connected is there twice, and not alike"}})},
		{"JSON:API", `{"data":[{"id":"1","type":"relay","attributes":{"name":"a","connected":true}}]}`, one(Relay{Name: "a", Connected: &yes})},
		{"a list in an object in the answer", `{"ok":true,"data":{"relays":[{"name":"a"}]}}`, one(Relay{Name: "a"})},
		{"HAL", `{"_embedded":{"relays":[{"name":"a"}]},"_links":{"next":{"href":"/api/relays?page=2"}}}`, func() Relays { r := one(Relay{Name: "a"}); r.next = "/api/relays?page=2"; return r }()},
		{"with its own paging", `{"data":{"items":[{"name":"a"}],"totalCount":2}}`, func() Relays { r := one(Relay{Name: "a"}); r.Total = 2; return r }()},
		{"of a serializer that keeps references", `{"$id":"1","$values":[{"$id":"2","name":"a"}]}`, one(Relay{Name: "a"})},
		{"the same in a field", `{"relays":{"$id":"1","$values":[{"$id":"2","name":"a"}]}}`, one(Relay{Name: "a"})},
		{"of ASP.NET's older services", `{"d":{"results":[{"name":"a"}]}}`, one(Relay{Name: "a"})},
		{"in groups", `{"groups":[{"name":"hq","relays":[{"name":"a","connected":true}]},{"name":"dmz","relays":[]}]}`, one(Relay{Name: "a", Connected: &yes})},
		{"in groups of groups", `[{"region":"eu","items":[{"site":"hq","count":1,"members":[{"name":"a"}]}]}]`, one(Relay{Name: "a"})},
		{"in groups of a serializer that keeps references", `{"$id":"1","groups":{"$values":[{"name":"hq","relays":{"$id":"2","$values":[{"name":"a"}]}}]}}`, one(Relay{Name: "a"})},
		{"behind another one", `[{"name":"a","connected":true,"lastHeartbeatUtc":"2026-11-23T06:00:00Z","relays":[{"name":"a","connected":false}]}]`,
			Relays{List: []Relay{{Name: "a", Names: []string{"a"}, Connected: &no}, {Name: "a", Names: []string{"a"}, Connected: &yes, LastHeartbeat: beat}}}},
		{"a group of which there is more", `[{"name":"hq","total":2,"relays":[{"name":"a"}]}]`, func() Relays { r := one(Relay{Name: "a"}); r.More = true; return r }()},
		{"a relay's own list", `[{"name":"a","connected":true,"items":[{"name":"connector"}],"tags":["hq"]}]`, one(Relay{Name: "a", Connected: &yes})},
		{"a relay's list of other things", `[{"name":"a","connectors":[{"name":"b"}]}]`, one(Relay{Name: "a"})},
		{"links in a list", `{"items":[{"name":"a"}],"links":[{"rel":"self","href":"/api/relays"},{"rel":"next","href":"/api/relays?page=1"}]}`,
			func() Relays { r := one(Relay{Name: "a"}); r.next = "/api/relays?page=1"; return r }()},
		{"links beside a list of its own name", `{"agents":[{"name":"a"}],"_links":[{"rel":"Next","href":"?p=1"}]}`, func() Relays { r := one(Relay{Name: "a"}); r.next = "?p=1"; return r }()},
		{"OData's object", `{"value":[{"name":"a"}],"@odata":{"count":2,"nextLink":"relays?$skip=1"}}`, func() Relays { r := one(Relay{Name: "a"}); r.Total, r.next = 2, "relays?$skip=1"; return r }()},
		{"a token with a slash", `{"items":[{"name":"a"}],"next":"eyJpZCI6/DAwfQ=="}`, func() Relays { r := one(Relay{Name: "a"}); r.perhaps = "eyJpZCI6/DAwfQ=="; return r }()},
		{"a registration's status, and no word of the connection", `[{"name":"a","status":"Active"}]`, one(Relay{Name: "a", Connected: &yes})},
		{"a registration's status, and the same of the connection", `[{"name":"a","status":"Active","connection":{"connected":true}}]`, one(Relay{Name: "a", Connected: &yes})},
		{"a registration's status, and another word of the connection", `[{"name":"a","status":"Active","connection":{"connected":false}}]`,
			one(Relay{Name: "a", Odd: []string{`status = "Active", and not alike`, "connected = false"}})},
		{"the same as a state", `[{"name":"a","status":"Active","connection":{"state":"Disconnected"}}]`,
			one(Relay{Name: "a", Odd: []string{`status = "Active", and not alike`, `state = "Disconnected"`}})},
		{"a heartbeat without a zone beside one with", `[{"name":"a","lastHeartbeat":"2026-11-23T11:30:00","lastHeartbeatUtc":"2026-11-23T06:00:00Z"}]`, one(Relay{Name: "a", LastHeartbeat: beat})},
		{"the version", `[{"name":"a","version":"2.1.0"}]`, one(Relay{Name: "a", Version: "2.1.0"})},
	} {
		t.Run(test.reason, func(t *testing.T) {
			got, err := readRelays([]byte(test.body), Fields{})
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range got.List {
				if r.LastHeartbeat.IsZero() == (r.Field != "") || !strings.Contains(test.body, string(r.Raw)) {
					t.Errorf("it was told as %s = %s", r.Field, r.Raw)
				}
				got.List[i].Field, got.List[i].Raw = "", nil
			}
			got.linked = false
			got.at = place{} // of which the tests of pages are
			if d := cmp.Diff(test.want, got, cmp.AllowUnexported(Relays{}, place{})); d != "" {
				t.Error(d)
			}
		})
	}
}

// What is no list that can be told for sure is refused.
func TestWhatIsNoList(t *testing.T) {
	for _, body := range []string{``, `null`, `{}`, `"relay-01"`, `["relay-01","relay-02"]`, `[["relay-01"]]`, `[1]`, `{"relay-01":{"connected":true}}`, `{"count":1}`,
		`{"a":{"relays":[{"name":"a"}]},"b":{"relays":[{"name":"b"}]}}`, `{"a":[{"name":"a"}],"b":[{"name":"b"}]}`, `{"agents":[]}`, `[{"name":"a"}`, `[{"name":"a"}] and more`, `[{"name":"a"}][]`, `{"items":[{"name":"a"},7]}`,
		strings.Repeat("[", 100_000), strings.Repeat(`{"data":`, 100_000), strings.Repeat(`{"data":`, 9) + `[{"name":"a"}]` + strings.Repeat("}", 9)} {
		if r, err := readRelays([]byte(body), Fields{}); KindOf(err) != WrongContent {
			t.Errorf("%.60s: %+v, %v", body, r, err)
		}
	}
}

// Whoever runs a product of his own names its fields.
func TestFieldsOfOnesOwn(t *testing.T) {
	beat := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	r, err := readRelays([]byte(`[{"id":"relay-01","name":"Berlin","alive":"yes","connected":false,"ping":"2026-11-23T06:00:00Z"}]`), Fields{Name: "Id", Connected: "alive", Heartbeat: "Ping"})
	if err != nil || len(r.List) != 1 || r.List[0].Name != "relay-01" || !r.List[0].IsConnected() || !r.List[0].LastHeartbeat.Equal(beat) {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = readRelays([]byte(`[{"name":"Berlin","host":{"dns":{"name":"relay-01"}},"link":{"state":1,"at.utc":"2026-11-23T06:00:00Z"}}]`),
		Fields{Name: "host.dns.name", Connected: "link.state", Heartbeat: "link.at.utc"})
	if err != nil || len(r.List) != 1 || r.List[0].Name != "relay-01" || !r.List[0].IsConnected() || !r.List[0].LastHeartbeat.Equal(beat) {
		t.Errorf("by a path: %+v, %v", r, err)
	}
}

// A list of several pages is read to its end, and nowhere else.
func TestPages(t *testing.T) {
	for next, want := range map[string]string{
		"?page=%d": "", "/api/relays?page=%d": "", "{url}/api/relays?page=%d": "", "http://stranger.invalid/api/relays?page=%d": "", "https://stranger.invalid/list?page=%d": "another server, https://stranger.invalid", "/api/relays?page=0&x=%d": "leads back", "/api/relays?page=0&x=%d&y={asked}": "does not end",
	} {
		var url string
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Query().Get("page"))
			asked++
			link := fmt.Sprintf(strings.NewReplacer("{url}", url, "{asked}", strconv.Itoa(asked)).Replace(next), n+1)
			if n == 3 {
				link = ""
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"items":[{"name":"relay-%d"}],"totalCount":4,"nextLink":%q}`, n, link)
		}))
		url = s.URL
		c, err := New(Config{URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Relays(t.Context())
		if want != "" {
			if KindOf(err) != WrongContent || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", next, err)
			}
		} else if err != nil || len(r.List) != 4 || r.List[3].Name != "relay-3" || r.Total != 4 {
			t.Errorf("%s: %+v, %v", next, r, err)
		}
		c.Close()
		s.Close()
	}
}

// A list that says of itself that it has more, and cannot be followed, is not the whole list.
func TestAListThatHasMore(t *testing.T) {
	for _, c := range []struct {
		body, header, value string
		more                bool
	}{
		{body: `{"items":[{"name":"a"}]}`},
		{body: `{"items":[{"name":"a"},{"id":7}],"totalCount":2}`}, // one without a name is one, too
		{body: `{"items":[{"name":"a"}],"totalCount":2}`, more: true},
		{body: `{"items":[{"name":"a"}],"hasMore":true}`, more: true},
		{body: `{"items":[{"name":"a"}],"totalPages":1}`},
		{body: `{"items":[{"name":"a"}],"page":1,"totalPages":2}`, more: true},
		{body: `[{"name":"a"}]`, header: "X-Total-Count", value: "1"},
		{body: `[{"name":"a"}]`, header: "X-Total-Count", value: "2", more: true},
		{body: `[{"name":"a"}]`, header: "Link", value: `</api/relays?page=1>; rel="first", </api/relays?page=2>; rel="next"`}, // which is followed
		{body: `[{"name":"a"}]`, header: "Link", value: `</api/relays?page=1>; rel="last"`},
		{body: `{"items":[{"name":"a"}],"pageNumber":1,"pageCount":2}`, more: true},
		{body: `{"items":[{"name":"a"}],"pageNumber":1,"pageCount":1}`},
		{body: `{"items":[{"name":"a"}],"truncated":true}`, more: true},
		{body: `[{"name":"a"}]`, header: "X-Pagination", value: `{"TotalCount":4,"PageSize":1,"CurrentPage":1,"TotalPages":4,"HasNext":true}`, more: true},
		{body: `[{"name":"a"}]`, header: "X-Pagination", value: `{"TotalCount":1,"TotalPages":1,"HasNext":false}`},
		{body: `[{"name":"a"}]`, header: "Content-Range", value: "items 0-0/4", more: true},
		{body: `[{"name":"a"}]`, header: "Content-Range", value: "items 0-0/1"},
		{body: `[{"name":"a"}]`, header: "Content-Range", value: "items 0-0/*", more: true},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if c.header != "" && r.URL.RawQuery == "" {
				w.Header().Set(c.header, c.value)
			}
			_, _ = w.Write([]byte(c.body))
		}))
		client, err := New(Config{URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := client.Relays(t.Context()); err != nil || r.More != c.more || strings.Contains(c.value, "next") && len(r.List) != 2 {
			t.Errorf("%s %s: more %v, %v", c.body, c.value, r.More, err)
		}
		client.Close()
		s.Close()
	}
}

// fleet is an answer with n relays.
func fleet(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"name":"relay-%05d","connected":true,"lastHeartbeat":"2026-11-23T06:00:00.5Z"}`, i)
	}
	return []byte("[" + b.String()[1:] + "]")
}

func BenchmarkReadRelays(b *testing.B) {
	body := fleet(10_000)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := readRelays(body, Fields{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestReadManyRelays(t *testing.T) {
	r, err := readRelays(fleet(10_000), Fields{})
	if err != nil || len(r.List) != 10_000 || r.List[9_999].Name != "relay-09999" || !r.List[9_999].IsConnected() {
		t.Fatalf("%d relays, %v", len(r.List), err)
	}
}

func TestAnAnswerThatIsTooLong(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(bytes.Repeat([]byte(" "), 1<<20), "[]"...)) // whole, it would be a good answer
	}))
	t.Cleanup(s.Close)
	c, err := New(Config{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.Relays(t.Context()); err != nil {
		t.Errorf("below the limit: %v", err)
	}
	c.maxBody = 1 << 20
	if _, err := c.Relays(t.Context()); KindOf(err) != WrongContent || !strings.Contains(err.Error(), "longer than 1 MiB") {
		t.Errorf("above the limit: %v", err)
	}
}

func TestReadObject(t *testing.T) {
	expires := time.Date(2027, 11, 30, 23, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		reason, body   string
		tier, customer string
		expires        time.Time
	}{
		{"camel case", `{"tier":"Pro","customerName":"C","expiresUtc":"2027-11-30T23:00:00Z"}`, "Pro", "C", expires},
		{"an offset", `{"ExpiresUtc":"2027-12-01T00:00:00+01:00"}`, "", "", expires},
		{"a date alone", `{"expiresUtc":"2027-11-30"}`, "", "", time.Date(2027, 11, 30, 0, 0, 0, 0, time.UTC)},
		{"an enumeration as a number", `{"tier":3}`, "3", "", time.Time{}},
		{"nothing known", `{}`, "", "", time.Time{}},
		{"other types are unknown", `{"tier":{"id":3},"customerName":["C"],"expiresUtc":true}`, "", "", time.Time{}},
		{"objects that have a name", `{"tier":{"id":3,"name":"Pro"},"customer":{"name":"C"}}`, "Pro", "C", time.Time{}},
		{"snake case", `{"customer_name":"C","expires_utc":"2027-11-30T23:00:00Z"}`, "", "C", expires},
		{"kebab case", `{"customer-name":"C","Expires-UTC":"2027-11-30T23:00:00Z"}`, "", "C", expires},
		{"a count in a text", `{"expiresUtc":"1827615600"}`, "", "", expires},
		{"a count with a fraction", `{"expiresUtc":1827615600.5}`, "", "", expires.Add(500 * time.Millisecond)},
		{"ticks of .NET", `{"expiresUtc":639476244000000000}`, "", "", time.Date(2027, 6, 3, 13, 0, 0, 0, time.UTC)},
		{"a count that is no time of ours", `{"expiresUtc":200000000000000000}`, "", "", time.Time{}},
		{"two spellings that say the same", `{"tier":"Pro","Tier":"Pro"}`, "Pro", "", time.Time{}},
		{"two spellings that do not", `{"tier":"Pro","Tier":"Basic"}`, "", "", time.Time{}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			got, err := readObject([]byte(test.body))
			if err != nil || got.Text("tier") != test.tier || got.Text("customer", "CustomerName") != test.customer || !got.Time(nil, "expiresUtc").Equal(test.expires) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	for _, bad := range []string{"", "[]", "null", "{", `"x"`} {
		if _, err := readObject([]byte(bad)); err == nil {
			t.Errorf("%q is no object", bad)
		}
	}
}

// What an object holds in an object is found, unless there are two, or the outer one says it itself.
func TestObjectInAnObject(t *testing.T) {
	for body, want := range map[string]string{
		`{"data":{"tier":"Gold"}}`:                  "Gold",
		`{"ok":true,"data":{"Tier":"Gold"}}`:        "Gold",
		`{"tier":"Silver","of":{"tier":"Gold"}}`:    "Silver",
		`{"a":{"tier":"Gold"},"b":{"tier":"Gold"}}`: "Gold", // both say it
		`{"list":[{"tier":"Gold"}]}`:                "",
		`{"a":{"b":{"tier":"Gold"}}}`:               "Gold",
		`{"a":{"b":{"tier":"Gold"},"tier":"Tin"}}`:  "Tin", // the nearest
		`{"tier":null,"a":{"tier":"Gold"}}`:         "",
		`{"a":{"tier":"Gold"},"b":{"tier":"Tin"}}`:  "",
	} {
		if o, err := readObject([]byte(body)); err != nil || o.Text("tier") != want {
			t.Errorf("%s: %q, %v", body, o.Text("tier"), err)
		}
	}
}

func TestSkew(t *testing.T) {
	sent := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	a := Answer{Sent: sent, Received: sent.Add(time.Second), ServerTime: sent.Add(time.Minute)}
	if skew, known := a.Skew(); !known || skew != time.Minute {
		t.Errorf("%v %v", skew, known)
	}
	if _, known := (Answer{Sent: sent}).Skew(); known {
		t.Error("without a Date header the skew is unknown")
	}
}

// FuzzAnswers looks for a panic, an unnamed relay, and text that a terminal would act on.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{`[]`, `null`, `{"relays":[{"name":"a","connected":true,"lastHeartbeat":"2026-11-23T06:00:00Z"}]}`,
		`{"items":[null,{"machineName":"\u001b"}]}`, `{"tier":1e999,"expiresUtc":"9999-12-31T23:59:59.9999999+14:00"}`, `[[[[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := readRelays(body, Fields{}); err == nil {
			for _, relay := range r.List {
				if relay.Name == "" || strings.ContainsAny(relay.Name+relay.Version, "\x1b\n\r") {
					t.Errorf("%+v", relay)
				}
			}
		}
		if o, err := readObject(body); err == nil && strings.ContainsAny(o.Text("tier")+o.Text("customerName"), "\x1b\n\r") {
			t.Errorf("%+v", o)
		}
		_ = readDashboard(body)
	})
}

// Of several lists the one counts that the document names.
func TestWhichListIsMeant(t *testing.T) {
	const body = `{"connectors":[{"name":"a","lastSyncStatus":"ok"}],"failures":[{"name":"b"}],"in":{"more":[]}}`
	for _, c := range []struct {
		body, at string
		want     string // the name of the first entry; or in the error, with its hint
	}{
		{body, "connectors", "a"},
		{body, "Failures", "b"},
		{body, "", "holds several, and nobody knows which is meant; secrets.x.list"},
		{body, "none", "it has none as none; secrets.x.list"},
		{`{"connectors":[],"failures":[]}`, "connectors", ""},
		{`{"connectors":[],"failures":[{"name":"b"}]}`, "connectors", ""},
		{`{"connectors":[{"name":"a"}],"failures":[]}`, "", "a"},
	} {
		list, err := readList([]byte(c.body), nil, Listed{At: c.at, Key: "secrets.x.list"})
		got := ""
		if err != nil {
			got = err.Error() + "; " + err.(*Error).Hint()
		} else if len(list) > 0 {
			got = list[0].Text("name")
		}
		if err == nil && got != c.want || err != nil && (c.want == "" || slices.ContainsFunc(strings.Split(c.want, "; "), func(part string) bool { return !strings.Contains(got, part) })) {
			t.Errorf("%s at %q: %s", c.body, c.at, got)
		}
	}
}

func TestReadList(t *testing.T) {
	for body, want := range map[string]string{
		`[]`: "", `[{"Name":"a"},{"name":"b"}]`: "a,b", `{"total":2,"items":[{"name":"a"}]}`: "a", `{"connectors":[{"name":"a"}]}`: "a",
		`{}`: "no", `{"a":[],"b":[]}`: "no", `[1]`: "no", `[null]`: "no", `"x"`: "no", ``: "no", `[{"name":"a"}`: "no",
	} {
		list, err := readList([]byte(body), nil, Listed{Tells: tells})
		var names []string
		for _, o := range list {
			names = append(names, o.Text("name"))
		}
		if got := strings.Join(names, ","); (err != nil) != (want == "no") || err == nil && got != want {
			t.Errorf("%s: %q, %v", body, got, err)
		}
	}
}
