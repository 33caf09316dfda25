package adminapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// Of several lists the document says which.
func TestTheListOfOnesOwn(t *testing.T) {
	const body = `{"total":1,"data":{"agents":[{"name":"a"}],"regions":[{"name":"eu"}]}}`
	for path, named := range map[string]bool{"data.agents": true, "Data.Agents": true, "": false, "data": false, "data.none": false, "regions": false} {
		r, err := readRelays([]byte(body), Fields{List: path})
		if (err == nil) != named || named && (len(r.List) != 1 || r.List[0].Name != "a" || r.Total != 1) {
			t.Errorf("%q: %+v, %v", path, r, err)
		}
		if err != nil && !strings.Contains(err.(*Error).Hint(), "product.api.fields.list") {
			t.Errorf("%q: %s", path, err.(*Error).Hint())
		}
	}
}

// Pages that move between requests show some entries twice and others not at all: they are read again, and what is missing still is
// not known. Entries that are there twice each time are.
func TestPagesThatMove(t *testing.T) {
	for _, test := range []struct {
		reason      string
		shift       func(request int) int // how many entries came to the front since the first request
		total       int
		seen        int // relays, 0: all
		moved, more bool
	}{
		{"they stay", func(int) int { return 0 }, 6, 6, false, false},
		{"they stay, and another one is missing", func(int) int { return 0 }, 7, 6, false, true},
		{"one came to the front once", func(n int) int { return min(n, 1) }, 6, 6, false, false},
		{"one comes at every second request", func(n int) int { return n / 2 }, 6, 6, false, false},
		{"the pages go on with the same ones", func(n int) int { return 2 * n }, 6, 0, true, true},
		{"one came to the front once, and nobody says how many there are", func(n int) int { return min(n, 1) }, 0, 6, false, false},
	} {
		requests := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			shift := test.shift(requests)
			requests++
			var list []string
			for i := 2 * page; i < 2*page+2; i++ {
				list = append(list, fmt.Sprintf(`{"name":"relay-%d","connected":true}`, ((i-shift)%6+6)%6))
			}
			next := ""
			if page < 2 {
				next = fmt.Sprintf(`,"nextLink":"/api/relays?page=%d"`, page+1)
			}
			total := ""
			if test.total > 0 {
				total = fmt.Sprintf(`,"totalCount":%d`, test.total)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"items":[%s]%s%s}`, strings.Join(list, ","), next, total)
		}))
		c, err := New(Config{URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Relays(t.Context())
		names := map[string]bool{}
		for _, one := range r.List {
			names[one.Name] = true
		}
		if err != nil || r.Moved != test.moved || r.More != test.more || test.seen > 0 && len(names) != test.seen || requests > 3*readings {
			t.Errorf("%s: %d relays of %d requests, moved %v, more %v, %v", test.reason, len(names), requests, r.Moved, r.More, err)
		}
		c.Close()
		s.Close()
	}
}

// What may be a token is followed only where it leads to something under the list.
func TestATokenWithASlash(t *testing.T) {
	for next, more := range map[string]bool{"eyJpZCI6/DAwfQ==": true, "/AbC=": true, "/api/relays/2": false, "relays/2": false} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch r.URL.Path {
			case "/api/relays":
				_, _ = fmt.Fprintf(w, `{"items":[{"name":"a"}],"next":%q}`, next)
			case "/api/relays/2":
				_, _ = w.Write([]byte(`{"items":[{"name":"b"}]}`))
			default:
				http.NotFound(w, r)
			}
		}))
		c, err := New(Config{URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := c.Relays(t.Context()); err != nil || r.More != more || !more && len(r.List) != 2 {
			t.Errorf("%s: %+v, %v", next, r, err)
		}
		c.Close()
		s.Close()
	}
}
