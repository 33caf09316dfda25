package adminapi

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
)

// Paging is how the next page of the relay list is asked for, where an answer has no link to it: the query's parameter that has the
// number of a page, or how many entries come before, or the token that the page before names. One of them, or none.
type Paging struct {
	Page, Offset, Token string
}

// The usual names of what an answer says of the page that it is, and of the next one.
var (
	pageFields   = []string{"page", "pagenumber", "currentpage", "pageindex", "number"}
	offsetFields = []string{"offset", "skip", "start", "startindex"}
	tokenFields  = []string{"continuationtoken", "nexttoken", "nextpagetoken", "nextcursor"}
	tokenHeaders = []string{"X-Continuation-Token", "X-Ms-Continuationtoken", "X-Next-Page-Token", "X-Next-Page"}
)

// place is what an answer says of where in the list it is.
type place struct {
	token string          // to the next page
	page  json.RawMessage // its own number
	skips json.RawMessage // entries before it
	ended bool            // it says that there are no more
}

// placed reads that.
func (r *Relays) placed(says fields) {
	first := func(names []string) json.RawMessage {
		for _, name := range names {
			if numeral(says[name]) {
				return says[name]
			}
		}
		return nil
	}
	r.at.page, r.at.skips = first(pageFields), first(offsetFields)
	for _, name := range tokenFields {
		if text, _ := textOf(says[name]); affirms(says[name]) && r.at.token == "" {
			r.at.token = text
		}
	}
	r.at.ended = slices.ContainsFunc(moreFields, func(name string) bool { return says[name] != nil && !affirms(says[name]) })
}

// turn is the path of the page after r, the last of n that were read, as the document says how it is asked for: "" where it does not, or
// where there is none.
func (c *Client) turn(path string, r, all *Relays, n int) (string, error) {
	here, err := url.Parse(path)
	if err != nil {
		return "", err
	}
	number := func(name string, told json.RawMessage) (int, bool) {
		text := here.Query().Get(name)
		if text == "" {
			text, _ = textOf(told)
		}
		n, err := strconv.Atoi(text)
		return n, err == nil
	}
	entries := len(r.List) + r.Unnamed
	name, value := c.paging.Token, r.at.token
	switch {
	case c.paging == Paging{}:
		return "", nil
	case name != "":
	case r.last(all, n):
		return "", nil
	case c.paging.Page != "":
		page, known := number(c.paging.Page, r.at.page)
		if !known {
			return "", &Error{Kind: WrongContent, Detail: "the relay list does not say which page it is", hint: "name the first one in the path, such as product.api.relays: " + c.paths.Relays + "?" + c.paging.Page + "=1"}
		}
		name, value = c.paging.Page, strconv.Itoa(page+1)
	default:
		skipped, _ := number(c.paging.Offset, r.at.skips) // nothing, where nobody says
		name, value = c.paging.Offset, strconv.Itoa(skipped+entries)
	}
	if value == "" {
		return "", nil
	}
	query := here.Query()
	query.Set(name, value)
	here.RawQuery = query.Encode()
	return here.String(), nil
}

// last says that a page is the last one, by what is told of the list, or as it is empty, or shorter than a page is.
func (r *Relays) last(all *Relays, n int) bool {
	entries := len(r.List) + r.Unnamed
	switch {
	case entries == 0, r.at.ended:
		return true
	case all.Total > 0:
		return len(all.List)+all.Unnamed >= all.Total
	case all.pages > 0:
		return n >= all.pages
	}
	return r.Size > 0 && entries < r.Size && !r.More
}

// stays says that a page is the one before it: whoever answers has not understood which was asked for.
func (r *Relays) stays(before []Relay) bool {
	return len(before) > 0 && slices.EqualFunc(r.List, before, func(a, b Relay) bool {
		return a.key() == b.key() && (len(before) > 1 || string(a.Raw) == string(b.Raw))
	})
}

// round is how many entries a list has of which nothing says whether these are all, where pages have as many by default; 0 else.
func (r *Relays) round() int {
	n := len(r.List) + r.Unnamed
	told := r.linked || r.More || r.at.ended || r.Total > 0 || r.Size > 0 || r.pages > 0 || r.read > 1
	for size := 10; !told && size <= n; size *= 10 {
		if n == size || n == 2*size || 2*n == 5*size || n == 5*size {
			return n
		}
	}
	return 0
}
