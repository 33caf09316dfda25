package adminapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A list whose order changes between two requests, as by the last heartbeat, shows some entries twice and others not at all. It is read
// again a few times, and not for long.
const (
	readings   = 5
	readingFor = 20 * time.Second
)

// Relays lists the relays that the Admin service knows, of all pages. Answer is that of the first, which is the oldest. It needs
// the permission dashboard.read.
func (c *Client) Relays(ctx context.Context) (Relays, error) {
	began := time.Now()
	places := c.placesOf(c.paths.Relays)
	var all, last Relays
	for n := 1; ; n++ {
		r, err := c.readRelayPages(ctx, places)
		switch {
		case err != nil:
			return Relays{}, err
		case r.read == 1, r.again == 0 && r.Total <= len(r.List)+r.Unnamed:
			return r, nil
		case n > 1 && r.alike(last):
			r.Moved = r.again > 0 && r.Total > r.apart()+r.Unnamed
			r.More = r.More || r.Moved
			return r, nil
		case n == 1:
			all = r
		}
		all = r.with(all)
		if all.Total > 0 && all.Total <= len(all.List)+all.Unnamed {
			all.More = false
			return all, nil
		}
		if n == readings || time.Since(began) > readingFor {
			all.More, all.Moved = true, true
			return all, nil
		}
		last = r
	}
}

// pages bounds how many answers one list may have.
const pages = 1000

// readRelayPages reads the list once.
func (c *Client) readRelayPages(ctx context.Context, places *places) (Relays, error) {
	var all Relays
	fields := c.fields
	fields.places = places
	read, on := map[string]bool{}, map[string]int{}
	var before []Relay
	for path, n := c.paths.Relays, 0; ; n++ {
		read[path] = true
		var r Relays
		a, err := c.read(ctx, path, dashboardRead, func(h http.Header, status int, body []byte) (err error) {
			if err = wantJSON(h, status, body); err == nil {
				r, err = readRelays(body, fields)
				r.headed(h)
			}
			return err
		})
		if err != nil {
			return Relays{}, err
		}
		if n == 0 {
			all = r
			all.Answer = a
		} else {
			all.List = append(all.List, r.List...)
			all.Unnamed += r.Unnamed
		}
		for _, one := range r.List {
			if page, seen := on[one.key()]; seen && page < n {
				all.again++
			} else {
				on[one.key()] = n
			}
		}
		was := path
		path, err = c.follow(&r)
		if err == nil && path == "" {
			if path, err = c.turn(was, &r, &all, n+1); err == nil && path != "" {
				r.More = false // there is a way to them
			}
			if n > 0 && c.paging != (Paging{}) && r.stays(before) {
				err = &Error{Kind: WrongContent, Detail: "asked for the next page of the relay list, it answers the same one", hint: "correct product.api.paging: it names the query's parameter by which a page is asked for; or name a path that gives them all"}
			}
			before = r.List
		}
		if err == nil && read[path] {
			if path = ""; all.Total == 0 || len(all.List)+all.Unnamed < all.Total {
				err = &Error{Kind: WrongContent, Detail: "a page of the relay list leads back to one that was read", hint: noEnd}
			}
		}
		if err != nil || path != "" && n == pages {
			return Relays{}, c.named(cmp.Or(err, error(&Error{Kind: WrongContent, Detail: "the relay list does not end", hint: noEnd})), http.MethodGet, c.paths.Relays)
		}
		if path == "" {
			all.read = n + 1
			if all.linked || n > 0 || c.paging != (Paging{}) {
				all.Size = 0
			} else {
				all.Round = all.round()
			}
			all.More = r.More || all.pages > n+1 || all.Total > len(all.List)+all.Unnamed
			return all, nil
		}
	}
}

// noEnd is what to do about links that lead in a circle.
const noEnd = "name a path that gives all relays at once as product.api.relays, such as /api/relays?pageSize=10000, or how pages are turned as product.api.paging"

// key is the same of an entry that is there twice.
func (r Relay) key() string {
	state := "?"
	if r.Connected != nil {
		state = map[bool]string{true: "+", false: "-"}[*r.Connected]
	}
	return state + strings.Join(r.Names, "\x00")
}

// alike says that two readings have the same entries: then nothing has moved, and what is there twice is there twice.
func (r Relays) alike(other Relays) bool {
	keys := func(r Relays) (all []string) {
		for _, one := range r.List {
			all = append(all, one.key())
		}
		slices.Sort(all)
		return all
	}
	return r.Unnamed == other.Unnamed && slices.Equal(keys(r), keys(other))
}

// apart counts entries that differ: what a relay left behind when it connected anew was last heard of at another time.
func (r Relays) apart() int {
	all := map[string]bool{}
	for _, one := range r.List {
		all[one.key()+string(one.Raw)] = true
	}
	return len(all)
}

// with adds what an earlier reading has of relays that this one lacks. Each entry is there once then.
func (r Relays) with(earlier Relays) Relays {
	keys, names := map[string]bool{}, map[string]bool{}
	var list []Relay
	add := func(all []Relay, wanted func(Relay) bool) {
		for _, one := range all {
			if key := one.key(); !keys[key] && wanted(one) {
				keys[key], list = true, append(list, one)
			}
		}
	}
	add(r.List, func(Relay) bool { return true })
	for _, one := range list {
		names[one.key()[1:]] = true
	}
	add(earlier.List, func(one Relay) bool { return !names[one.key()[1:]] })
	r.List, r.Answer, r.Unnamed = list, earlier.Answer, max(r.Unnamed, earlier.Unnamed)
	return r
}
