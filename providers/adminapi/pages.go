package adminapi

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// paging reads what an answer says of further pages.
func (r *Relays) paging(o Object) {
	says := maps.Clone(o.fields)
	for _, name := range pagingFields {
		inner, err := readObject(o.fields[name])
		if err != nil {
			inner.fields = relations(o.fields[name])
		}
		for field, raw := range inner.fields {
			if _, own := says[field]; !own {
				says[field] = raw
			}
		}
	}
	token := ""
	for _, name := range nextFields {
		r.linked = r.linked || says[name] != nil
		next, _ := textOf(says[name])
		linked := strings.Contains(name, "link")
		if o, err := readObject(says[name]); err == nil {
			next, _ = textOf(o.fields["href"]) // of HAL, and of JSON:API
			linked = true
		}
		switch {
		case linked && next != "", strings.Contains(next, "?"), strings.Contains(next, "://"):
			r.next = cmp.Or(r.next, next)
		case strings.Contains(next, "/"): // a token may have one, too
			r.perhaps = cmp.Or(r.perhaps, next)
		case affirms(says[name]): // a number, a token or an object leads nowhere that is known, unless the document says so
			r.More, token = true, cmp.Or(token, next)
		}
	}
	r.More = r.More || slices.ContainsFunc(moreFields, func(name string) bool { return affirms(says[name]) })
	r.placed(says)
	r.at.token = cmp.Or(r.at.token, token)
	number := func(name string) int {
		text, _ := textOf(says[name])
		n, _ := strconv.Atoi(text)
		return n
	}
	r.pages = max(r.pages, number("totalpages"), number("pagecount"))
	for _, name := range totalFields {
		r.Total = cmp.Or(r.Total, number(name))
	}
	for _, name := range sizeFields {
		r.Size = max(r.Size, number(name))
	}
}

// relations are links by their relation, where they stand in a list: [{"rel": "next", "href": "…"}].
func relations(raw json.RawMessage) fields {
	var links []map[string]json.RawMessage
	found := fields{}
	if startsWith(raw, '[') && json.Unmarshal(raw, &links) == nil {
		for _, link := range links {
			of := plainly(link)
			if rel, _ := textOf(of["rel"]); rel != "" && of["href"] != nil {
				found[plainName(rel)] = json.RawMessage(`{"href":` + string(of["href"]) + `}`)
			}
		}
	}
	return found
}

// affirms says that a field is there and does not say no.
func affirms(raw json.RawMessage) bool {
	return !slices.Contains([]string{"", "null", "false", "0", `""`, `"false"`, "{}", "[]"}, strings.ToLower(strings.TrimSpace(string(raw))))
}

// headed reads what the headers say of further pages.
func (r *Relays) headed(h http.Header) {
	if r.Total == 0 {
		r.Total, _ = strconv.Atoi(h.Get("X-Total-Count"))
	}
	for _, name := range []string{"X-Pagination", "Pagination", "X-Paging"} {
		if o, err := readObject([]byte(h.Get(name))); err == nil {
			r.paging(o)
		}
	}
	if of := h.Get("Content-Range"); of != "" { // items 0-2/4; whoever does not say of how many sends a part
		total, err := strconv.Atoi(of[strings.LastIndexByte(of, '/')+1:])
		r.Total, r.More = max(r.Total, total), r.More || err != nil
	}
	for _, name := range tokenHeaders {
		if token := h.Get(name); token != "" {
			r.More, r.at.token = true, cmp.Or(r.at.token, token)
		}
	}
	r.linked = r.linked || h.Get("Link") != ""
	if m := nextLink.FindStringSubmatch(strings.Join(h.Values("Link"), ",")); m != nil {
		r.next = cmp.Or(r.next, m[1])
	}
}

var nextLink = regexp.MustCompile(`(?i)<([^>]*)>(?:\s*;[^,;]*)*?;\s*rel="?next\b`) // RFC 8288

// follow is the way to the next page, "" where there is none or it is not known. What may be a token is a way where it leads to
// something under the list itself.
func (c *Client) follow(r *Relays) (string, error) {
	if r.next != "" || r.perhaps == "" {
		return c.page(r.next)
	}
	list, _, _ := strings.Cut(c.paths.Relays, "?")
	if path, err := c.page(r.perhaps); err == nil && strings.HasPrefix(path, list) {
		return path, nil
	}
	r.More = true
	return "", nil
}

// page is the path of the next page, "" when there is none. It is asked of this server: a proxy before it may have it write another
// one's name into its links, to the same list.
func (c *Client) page(next string) (string, error) {
	if next == "" {
		return "", nil
	}
	at, err := url.Parse(c.base + c.paths.Relays)
	if err != nil {
		return "", err
	}
	to, err := at.Parse(next)
	if err != nil {
		return "", &Error{Kind: WrongContent, Detail: "the next page of the relay list has no address that can be read", begun: true}
	}
	if (to.Scheme != at.Scheme || to.Host != at.Host) && to.Path != at.Path {
		return "", &Error{Kind: WrongContent, Detail: "the next page of the relay list is on another server, " + plain(to.Scheme+"://"+to.Host), elsewhere: true}
	}
	path := to.RequestURI()
	root, err := url.Parse(c.base)
	if err != nil || !strings.HasPrefix(path, root.Path) {
		return "", &Error{Kind: WrongContent, Detail: "the next page of the relay list is elsewhere on the server", elsewhere: true}
	}
	return strings.TrimPrefix(path, root.Path), nil
}
