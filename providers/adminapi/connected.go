package adminapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// connected reads whether it is, by the fields that said so before where they say anything.
func (r *Relay) connected(f Fields, o Object) {
	const thing = "connected"
	names := chosen(f.Connected, connectedFields)
	odd, by := r.connectedBy(f, o, f.places.of(thing))
	if by == "" && allNull(odd) { // or by a word that may be of its registration
		r.Connected = nil
		odd, by = r.connectedBy(f, o, names)
	}
	if r.Connected != nil && f.Connected == "" {
		if against := r.against(o, by); against != "" {
			odd, r.Connected = []string{against}, nil
		}
	}
	if r.Connected == nil {
		r.Odd = append(r.Odd, odd...)
	} else if by != "" {
		f.places.note(thing, by)
	}
}

// against is a state in an entry that says of its connection in so many words otherwise than the field by which that is known; "" for none.
func (r *Relay) against(o Object, by string) string {
	for _, name := range connectedFields {
		raw := o.fields.at(name)
		yes, known := yesOf(raw)
		if known && yes != *r.Connected && state(name) && !numeral(raw) && !registered(name, raw) {
			return fmt.Sprintf("%s says %v, and %s = %s", cmp.Or(by, "connected"), *r.Connected, name, plain(string(raw)))
		}
	}
	return ""
}

// connectedBy reads it by these fields, and says which of them it was that leaves no doubt. An entry's status may be that of its
// registration: where something in it that tells of its connection says otherwise, that is not known.
func (r *Relay) connectedBy(f Fields, o Object, names []string) (odd []string, by string) {
	first := "" // what was taken, of a field that holds a state of any kind
	o.seek(names, func(name string, raw json.RawMessage) bool {
		yes, known := yesOf(raw)
		if n := countOf(raw); n > 1 && !state(name) { // of connections: an old one may be there beside the new one
			yes, known = true, true
		}
		known = known && (f.Connected != "" || !state(name) || !numeral(raw))
		switch {
		case !known && first == "":
			odd = noteOdd(odd, name, raw)
		case known && r.Connected == nil:
			r.Connected = &yes
			if f.Connected == "" && registered(name, raw) {
				first = name + " = " + plain(string(raw))
				return false // a plainer word may stand in the entry
			}
			by = name
			return true
		case known && yes != *r.Connected && !registered(name, raw):
			r.Connected = nil
			odd = append(odd, first+", and not alike", name+" = "+plain(string(raw)))
			return true
		}
		return known && !registered(name, raw)
	})
	return odd, by
}

// registered says that a word may be of a registration as well as of a connection: its status is Active.
func registered(name string, raw json.RawMessage) bool {
	text, _ := textOf(raw)
	return strings.HasPrefix(name, "stat") && !strings.Contains(strings.ToLower(text), "connect") && !strings.HasSuffix(strings.ToLower(text), "line")
}

// state says that a field holds one of several states. Which of them a number is, is not known.
func state(name string) bool {
	return strings.HasPrefix(name, "connectionst") || strings.HasPrefix(name, "stat")
}

func numeral(raw json.RawMessage) bool {
	text, _ := textOf(raw)
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}
