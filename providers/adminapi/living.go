package adminapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// An answer may hold what was before beside what is: a relay that connects anew is a new connection, and the old one is listed for a
// while. What lives is plain where it alone is connected.

// tellingList is, of several lists, the one that alone tells of connections: alerts and regions have names, too. Where several do, and one
// alone has relays that are connected, it is all of these: the others have those that are not, and what relays left behind.
func (f Fields) tellingList(body []byte, of string) (list []Object, way []turn, ok bool) {
	plain := f
	plain.places = nil
	read := func(o Object) (r Relay, tells bool) {
		r = plain.relay(o)
		return r, r.Name != "" && r.Connected != nil && !r.LastHeartbeat.IsZero()
	}
	var up, off []found
	eachList(body, nil, func(one found) {
		tells, connected := false, false
		for _, o := range one.list {
			r, does := read(o)
			tells, connected = tells || does, connected || does && r.IsConnected()
		}
		switch {
		case connected:
			up = append(up, one)
		case tells:
			off = append(off, one)
		}
	})
	if len(up) != 1 && len(up)+len(off) != 1 {
		return nil, nil, false
	}
	slices.SortFunc(off, func(a, b found) int { return strings.Compare(wayTo(a.way), wayTo(b.way)) })
	all := append(up, off...)
	for _, one := range all {
		list = append(list, one.list...)
		if len(up) > 0 {
			f.places.note("list "+of, wayTo(one.way))
		}
	}
	return list, all[0].way, true
}

// found is a list in an answer, and the way to it.
type found struct {
	list []Object
	way  []turn
}

// eachList visits the lists of objects in an answer, in no order.
func eachList(body []byte, on []turn, visit func(found)) {
	o, _ := readObject(body)
	for name, raw := range o.fields {
		on := append(slices.Clone(on), turn{o, name})
		if list, is := entriesOf(raw); is {
			visit(found{list, on})
		} else if len(on) < most {
			eachList(raw, on, visit)
		}
	}
}

// listWhere is, of several lists, the one that has an entry which tells what is asked.
func listWhere(body []byte, p *places, tells func(Object) bool) (list []Object, ok bool) {
	var all []found
	eachList(body, nil, func(one found) {
		if slices.ContainsFunc(one.list, tells) {
			all = append(all, one)
		}
	})
	if len(all) != 1 {
		return nil, false
	}
	p.note("list ", wayTo(all[0].way))
	return all[0].list, true
}

// listsOn is what stands at the end of any of these ways.
func listsOn(body []byte, at []string) (list []Object, way []turn, ok bool) {
	for _, one := range at {
		if some, on, is := listOn(body, one); is {
			list = append(list, some...)
			if !ok {
				way, ok = on, true
			}
		}
	}
	return list, way, ok
}

// living is an entry without what it says of connections that it had: of several objects in it that tell of a connection, it has the one
// that was heard of last, if no other is connected. Where an earlier answer had one of them alone, that is the one.
func (f Fields) living(o Object) Object {
	plain := f
	plain.places = nil
	all := map[string]Relay{}
	last := ""
	for name, raw := range o.fields {
		in, err := readObject(raw)
		if err != nil {
			continue
		}
		var r Relay
		r.connected(plain, in)
		r.heard(plain, in)
		if r.Connected == nil || r.LastHeartbeat.IsZero() {
			continue
		}
		if all[name] = r; last == "" || all[last].LastHeartbeat.Before(r.LastHeartbeat) {
			last = name
		}
	}
	if len(all) < 2 || len(f.known(all)) == 1 {
		return o
	}
	for name, r := range all {
		if name != last && (r.IsConnected() || !r.LastHeartbeat.Before(all[last].LastHeartbeat)) {
			return o
		}
	}
	o.fields = maps.Clone(o.fields)
	maps.DeleteFunc(o.fields, func(name string, _ json.RawMessage) bool { _, is := all[name]; return is && name != last })
	return o
}

// known are those of an entry's objects by which earlier answers told whether it is connected.
func (f Fields) known(all map[string]Relay) map[string]bool {
	known := map[string]bool{}
	for _, field := range connectedFields {
		for _, at := range f.places.of("field " + field) {
			if name, _, _ := strings.Cut(at, between); all[name].Connected != nil {
				known[name] = true
			}
		}
	}
	return known
}
