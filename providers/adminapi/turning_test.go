package adminapi

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// Pages that have no link to the next one are turned as the document says. What is not known then is refused, and says what to declare.
func TestPagesThatAreAskedFor(t *testing.T) {
	const all = 5
	for _, c := range []struct {
		reason  string
		path    string // "": the usual one
		paging  Paging
		param   string // that the server knows
		first   int    // what it takes for its absence
		step    int    // how much further the next page is, of two entries
		tells   string // beside the entries: a format with the page, and whether there are more
		header  string
		says    string // in the error, or its hint; "" where all five are read
		partial bool   // not all are read, and that is known
	}{
		{"numbers, with their total", "", Paging{Page: "page"}, "page", 1, 1, `"page":%d,"totalCount":5`, "", "", false},
		{"numbers from zero, with the number of pages", "", Paging{Page: "p"}, "p", 0, 1, `"pageIndex":%d,"totalPages":3`, "", "", false},
		{"numbers, with a word for more", "", Paging{Page: "page"}, "page", 1, 1, `"current_page":%d,"hasMore":%t`, "", "", false},
		{"numbers, to the first short page", "", Paging{Page: "page"}, "page", 1, 1, `"page":%d,"pageSize":2`, "", "", false},
		{"numbers, to an empty page", "/api/relays?page=1", Paging{Page: "page"}, "page", 1, 1, "", "", "", false},
		{"numbers, and nobody knows from which on", "", Paging{Page: "page"}, "page", 1, 1, `"hasMore":%[2]t`, "", "product.api.relays: /api/relays?page=1", false},
		{"a number that nobody reads", "", Paging{Page: "seite"}, "page", 1, 1, `"page":%d,"totalPages":3`, "", "correct product.api.paging", false},
		{"nobody said how", "", Paging{}, "page", 1, 1, `"page":%d,"totalPages":3`, "", "", true},
		{"offsets, with their total", "", Paging{Offset: "$skip"}, "$skip", 0, 2, `"@odata.count":5`, "", "", false},
		{"offsets, told from one", "", Paging{Offset: "startIndex"}, "startIndex", 1, 2, `"startIndex":%d,"itemsPerPage":2,"totalResults":5`, "", "", false},
		{"offsets, to an empty page", "/api/relays?take=2", Paging{Offset: "skip"}, "skip", 0, 2, "", "", "", false},
		{"a token", "", Paging{Token: "after"}, "after", 0, 2, `"nextCursor":"%[3]s"`, "", "", false},
		{"a token that is a number", "", Paging{Token: "page"}, "page", 1, 1, `"next":%[4]s`, "", "", false},
		{"a token in a header", "", Paging{Token: "ct"}, "ct", 0, 2, "", "X-Continuation-Token", "", false},
		{"a token that nobody declared", "", Paging{}, "after", 0, 2, `"nextCursor":"%[3]s"`, "", "", true},
		{"a token in a header, that nobody declared", "", Paging{}, "ct", 0, 2, "", "X-Next-Page", "", true},
		{"a token that nobody reads", "", Paging{Token: "x"}, "after", 0, 2, `"nextCursor":"%[3]s"`, "", "correct product.api.paging", false},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			at := c.first
			if n, err := strconv.Atoi(r.URL.Query().Get(c.param)); err == nil {
				at = n
			}
			begin := (at - c.first) * 2 / c.step
			var list []string
			for i := begin; i < min(begin+2, all); i++ {
				list = append(list, fmt.Sprintf(`{"name":"relay-%d","connected":true}`, i))
			}
			more := begin+2 < all
			token, number := "", "null"
			if more {
				token = strconv.Itoa(at + c.step)
				number = token
			}
			body := "[" + strings.Join(list, ",") + "]"
			if c.header != "" && token != "" {
				w.Header().Set(c.header, token)
			}
			if c.tells != "" {
				tells := c.tells
				if strings.Contains(tells, "%") {
					tells, _, _ = strings.Cut(fmt.Sprintf(tells, at, more, token, number), "%!(EXTRA")
				}
				body = `{"items":` + body + `,` + tells + `}`
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body))
		}))
		config := Config{URL: s.URL, Paging: c.paging}
		config.Paths.Relays = cmp.Or(c.path, "/api/relays")
		client, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		r, err := client.Relays(t.Context())
		switch {
		case c.says != "":
			if e, is := err.(*Error); !is || !strings.Contains(e.Error()+e.Hint(), c.says) {
				t.Errorf("%s: %v", c.reason, err)
			}
		case err != nil || r.More != c.partial || c.partial == (len(r.List) == all):
			t.Errorf("%s: %d, %+v, %v", c.reason, len(r.List), r, err)
		}
		client.Close()
		s.Close()
	}
}

// A list may be one page where it has as many entries as pages have by default, and says nothing of others.
func TestRoundLists(t *testing.T) {
	for n, round := range map[int]bool{1: false, 5: false, 9: false, 10: true, 12: false, 20: true, 25: true, 50: true, 75: false, 100: true, 250: true, 1000: true, 1001: false} {
		for tells, may := range map[string]bool{"": true, `,"totalCount":1000`: false, `,"hasMore":false`: false, `,"nextLink":null`: false, `,"pageSize":5000`: false} {
			body := `{"relays":[` + strings.TrimSuffix(strings.Repeat(`{"name":"a","connected":true},`, n), ",") + `]` + tells + `}`
			r, err := readRelays([]byte(body), Fields{})
			if err != nil || (r.round() == n) != (round && may) {
				t.Errorf("%d%s: %d, %v", n, tells, r.round(), err)
			}
		}
	}
}
