package adminapi

import "slices"

// groupFields are the usual names of what a group of relays has its relays under.
var groupFields = []string{"relays", "items", "members", "agents", "nodes", "hosts", "machines", "computers", "servers"}

// add reads an entry: a relay, or a group of them, such as {"name": "hq", "relays": [...]}. A relay may have others behind it: it is
// one where it was heard of.
func (r *Relays) add(f Fields, o Object, depth int) {
	relay := f.relay(o)
	at := slices.IndexFunc(groupFields, func(name string) bool { return startsWith(o.fields[name], '[') || startsWith(o.fields[name], '{') })
	if at >= 0 && depth > 0 && (at == 0 || relay.Connected == nil && relay.LastHeartbeat.IsZero()) {
		list, _, ok := listOf(o.fields[groupFields[at]], f.places, groupFields[at])
		if !ok && len(f.places.of("list "+groupFields[at])) == 0 {
			list, _, ok = f.tellingList(o.fields[groupFields[at]], groupFields[at])
		}
		if ok {
			var group Relays
			for _, inner := range list {
				group.add(f, inner, depth-1)
			}
			group.paging(o)
			r.List, r.Unnamed = append(r.List, group.List...), r.Unnamed+group.Unnamed
			r.More = r.More || group.More || group.next != "" || group.pages > 1 || group.Total > len(group.List)+group.Unnamed // there is one next page, of all
			if relay.LastHeartbeat.IsZero() {
				return
			}
		}
	}
	if relay.Name == "" {
		r.Unnamed++
		return
	}
	r.List = append(r.List, relay)
}
