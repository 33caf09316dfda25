package adminapi

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// places are where an endpoint's answers were found to have things of which nobody has said where they are. What an answer holds beside
// them is another at other times: after a restart there are alerts, or what was connected before. So later answers are read where the
// first one was.
type places struct {
	mu sync.Mutex
	// known counts; found is what the first answer teaches, until it is read whole.
	known, found map[string][]string
}

// of are the places that count for something.
func (p *places) of(thing string) []string {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[thing]
}

// note adds a place where something was found. Once one counts no other does.
func (p *places) note(thing, at string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[thing] != nil || slices.Contains(p.found[thing], at) {
		return
	}
	if p.found == nil {
		p.known, p.found = map[string][]string{}, map[string][]string{}
	}
	p.found[thing] = append(p.found[thing], at)
}

// keep lets what was found count from now on.
func (p *places) keep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for thing, at := range p.found {
		p.known[thing] = at
	}
	clear(p.found)
}

// between stands between the names of a path: a name may have a dot.
const between = "\x00"

// asPath is a way as a document writes it.
func asPath(at string) string {
	if at == "" {
		return ""
	}
	return ", as " + plain(strings.ReplaceAll(strings.TrimSuffix(at, between), between, "."))
}

// placesOf are those of an endpoint. What was found in its answers up to now counts.
func (c *Client) placesOf(endpoint string) *places {
	c.mu.Lock()
	p := c.places[endpoint]
	if p == nil {
		if c.places == nil {
			c.places = map[string]*places{}
		}
		p = &places{}
		c.places[endpoint] = p
	}
	c.mu.Unlock()
	p.keep()
	return p
}

// inner are the fields in an object's objects: where they were before, and else wherever they are.
type inner struct {
	of  Object
	all map[string]within // of wherever they are
}

func (i *inner) at(name string) json.RawMessage {
	thing := "field " + name
	if i.of.own {
		thing = "own " + thing
	}
	if raw := i.of.fields.merged(i.of.places.of(thing)); raw != nil && !bytes.Equal(raw, null) {
		return raw
	}
	if i.all == nil {
		i.all = i.of.fields.within(i.of.own)
	}
	field, rest, deep := i.all[plainName(name)], "", false
	if field.raw == nil {
		name, rest, deep = strings.Cut(name, ".")
		field = i.all[plainName(name)]
	}
	if deep {
		o, _ := readObject(field.raw)
		return o.fields.at(rest)
	}
	if field.at != "" && !bytes.Equal(bytes.TrimSpace(field.raw), null) {
		i.of.places.note(thing, field.at)
	}
	return field.raw
}

var null = []byte("null")

// merged is what stands at these places: nil where nothing does.
func (f fields) merged(at []string) (raw json.RawMessage) {
	for _, one := range at {
		here, names := f, strings.Split(one, between)
		for _, name := range names[:len(names)-1] {
			o, _ := readObject(here[name])
			here = o.fields
		}
		switch v := here[names[len(names)-1]]; {
		case v == nil || bytes.Equal(v, null):
		case raw == nil:
			raw = v
		case !bytes.Equal(raw, v):
			return twoValues
		}
	}
	return raw
}
