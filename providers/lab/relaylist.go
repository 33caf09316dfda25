package lab

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RelayShapes are the ways in which the lab's Admin answers GET /api/relays: nobody knows the one of the real product.
var RelayShapes = []string{"plain", "text", "number", "is-connected", "status", "slash-date", "epoch", "zoneless", "local", "own-clock", "minutes", "five-minutes", "seen", "domain", "display", "guid", "ghost", "ghost-after", "ghost-bare", "ghost-twin", "value", "pages",
	"snake", "nested", "attributes", "in-data", "references", "in-d", "groups", "epoch-text", "page", "more", "frozen", "odd-status", "null-connected", "state-number", "odd-heartbeat", "no-heartbeat", "null-heartbeat", "year-one",
	"unnamed", "own-names", "strangers", "other-domain", "by-name", "two-lists", "links", "moving", "agents", "registered", "two-beats", "us-culture", "filetime", "utc",
	"alerts", "warnings", "online", "previous", "page-size", "page-hidden", "four-minutes", "connected-at", "text-plain", "no-type", "utf-16",
	"by-page", "by-page-mute", "by-offset", "by-token", "default-page"}

// getRelays lists the relays, in the shape that the lab was asked for.
func (l *Lab) getRelays(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	now := time.Now()
	list, gone, since := l.list(now), l.gone(now), l.since(now)
	l.mu.Unlock()
	shape := l.config.Relaying
	if shape == "" || shape == RelayShapes[0] {
		answer(w, list)
		return
	}
	entries := make([]map[string]any, 0, len(list))
	for i, e := range list {
		if shape == "own-clock" { // as the relay sent it
			h := l.Relays[slices.IndexFunc(l.Relays, func(h *Host) bool { return h.Machine.Name == e.Name })]
			if !e.LastHeartbeatUTC.IsZero() {
				e.LastHeartbeatUTC = e.LastHeartbeatUTC.Add(time.Until(h.clock()))
			}
		}
		o := map[string]any{"name": e.Name, "connected": e.Connected, "lastHeartbeatUtc": e.LastHeartbeatUTC}
		bend(o, shape, e, i, now)
		if shape == "connected-at" {
			delete(o, "lastHeartbeatUtc")
			o["lastSeen"] = since[e.Name]
		}
		if was, ok := gone[e.Name]; ok && shape == "previous" {
			o["previous"] = map[string]any{"connected": false, "lastHeartbeatUtc": was}
		}
		ghost := map[string]any{"name": e.Name, "connected": false, "lastHeartbeatUtc": e.LastHeartbeatUTC.Add(-time.Hour)}
		switch shape { // what a relay left behind when it connected anew
		case "ghost":
			entries = append(entries, ghost, o)
		case "ghost-after":
			entries = append(entries, o, ghost)
		case "ghost-twin": // the heartbeat is the machine's, not the connection's
			twin := maps.Clone(o)
			twin["connected"] = false
			entries = append(entries, twin, o)
		case "ghost-bare": // it told its name in full then
			o["name"], _, _ = strings.Cut(strings.ToUpper(e.Name), ".")
			entries = append(entries, ghost, o)
		default:
			entries = append(entries, o)
		}
	}
	if beside(w, shape, entries, gone) || paged(w, r, shape, entries) {
		return
	}
	switch shape {
	case "attributes":
		data := make([]any, len(entries))
		for i, e := range entries {
			data[i] = map[string]any{"type": "relay", "id": strconv.Itoa(i), "attributes": e}
		}
		answer(w, map[string]any{"data": data, "links": map[string]any{"self": r.URL.Path}})
	case "in-data":
		answer(w, map[string]any{"success": true, "data": map[string]any{"relays": entries, "totalCount": len(entries)}})
	case "references":
		answer(w, map[string]any{"$id": "1", "$values": entries})
	case "in-d":
		answer(w, map[string]any{"d": map[string]any{"results": entries}})
	case "groups":
		groups := []map[string]any{{"name": "none", "relays": []any{}}}
		for i, e := range entries {
			groups = append(groups, map[string]any{"name": fmt.Sprintf("region %d", i), "relays": []any{e}})
		}
		answer(w, map[string]any{"groups": groups})
	case "by-name":
		byName := map[string]any{}
		for _, e := range list {
			byName[e.Name] = map[string]any{"connected": e.Connected}
		}
		answer(w, byName)
	case "two-lists":
		answer(w, map[string]any{"old": map[string]any{"relays": []any{}}, "new": map[string]any{"relays": entries}})
	case "value":
		answer(w, map[string]any{"value": entries, "@odata.count": len(entries)})
	case "page":
		answer(w, map[string]any{"items": entries[:min(1, len(entries))], "totalCount": len(entries)})
	case "more":
		answer(w, map[string]any{"items": entries[:min(1, len(entries))], "hasMore": true})
	case "agents": // beside what else there is
		answer(w, map[string]any{"agents": entries, "regions": []map[string]any{{"name": "eu"}}})
	case "links", "moving": // of which one comes to the front at every second request
		n, _ := strconv.Atoi(r.URL.Query().Get("page"))
		l.mu.Lock()
		at := n
		if shape == "moving" {
			at = n + len(entries)*l.admin.asked - l.admin.asked/2
			l.admin.asked++
		}
		l.mu.Unlock()
		page := map[string]any{"items": []any{}, "totalCount": len(entries), "links": []map[string]any{{"rel": "self", "href": r.URL.Path}}}
		if len(entries) > 0 {
			page["items"] = []any{entries[at%len(entries)]}
		}
		if n+1 < len(entries) {
			page["links"] = []map[string]any{{"rel": "self", "href": r.URL.Path}, {"rel": "next", "href": fmt.Sprintf("/api/relays?page=%d", n+1)}}
		}
		answer(w, page)
	case "pages":
		n, _ := strconv.Atoi(r.URL.Query().Get("page"))
		all := slices.Collect(slices.Chunk(entries, 1))
		page := map[string]any{"items": []any{}, "totalCount": len(entries)}
		if n < len(all) {
			page["items"] = all[n]
		}
		if n+1 < len(all) {
			page["nextLink"] = fmt.Sprintf("?page=%d", n+1)
		}
		answer(w, page)
	default:
		answer(w, entries)
	}
}

// bend writes one entry in a shape.
func bend(o map[string]any, shape string, e Listing, i int, now time.Time) {
	put := func(old, name string, v any) { delete(o, old); o[name] = v }
	beat := e.LastHeartbeatUTC
	switch shape {
	case "text":
		o["connected"] = strconv.FormatBool(e.Connected)
	case "number":
		o["connected"] = 0
		if e.Connected {
			o["connected"] = 1
		}
	case "is-connected":
		put("connected", "isConnected", e.Connected)
	case "status":
		put("connected", "status", map[bool]string{true: "Connected", false: "Disconnected"}[e.Connected])
	case "registered": // with the word of its connection in an object
		delete(o, "connected")
		o["status"], o["connection"] = "Active", map[string]any{"connected": e.Connected}
	case "previous":
		clear(o)
		o["name"], o["connection"], o["previous"] = e.Name, map[string]any{"connected": e.Connected, "lastHeartbeatUtc": beat}, nil
	case "us-culture":
		o["lastHeartbeatUtc"] = beat.Format("1/2/2006 3:04:05 PM")
	case "filetime":
		o["lastHeartbeatUtc"] = (beat.Unix()+11644473600)*10_000_000 + int64(beat.Nanosecond())/100
	case "utc":
		put("lastHeartbeatUtc", "lastHeartbeat", beat.Format("2006-01-02 15:04:05.999 UTC"))
	case "two-beats":
		o["lastHeartbeat"] = beat.In(time.FixedZone("", 5*3600+1800)).Format("2006-01-02T15:04:05.999")
	case "slash-date":
		put("lastHeartbeatUtc", "lastHeartbeat", fmt.Sprintf("/Date(%d)/", beat.UnixMilli()))
	case "epoch":
		put("lastHeartbeatUtc", "lastHeartbeat", beat.UnixMilli())
	case "zoneless":
		o["lastHeartbeatUtc"] = beat.Format("2006-01-02T15:04:05.999")
	case "local":
		put("lastHeartbeatUtc", "lastHeartbeat", beat.In(time.FixedZone("", 5*3600+1800)).Format("2006-01-02T15:04:05.999"))
	case "snake":
		clear(o)
		o["machine_name"], o["is_connected"], o["last_heartbeat_utc"] = e.Name, e.Connected, beat
	case "nested":
		clear(o)
		o["machine"] = map[string]any{"name": e.Name}
		o["connection"] = map[string]any{"state": map[bool]string{true: "Connected", false: "Disconnected"}[e.Connected], "lastHeartbeatUtc": beat}
	case "epoch-text":
		put("lastHeartbeatUtc", "lastHeartbeat", strconv.FormatInt(beat.UnixMilli(), 10))
	case "state-number":
		put("connected", "status", map[bool]int{true: 1, false: 0}[e.Connected])
	case "null-heartbeat":
		o["lastHeartbeatUtc"] = nil
	case "year-one":
		o["lastHeartbeatUtc"] = "0001-01-01T00:00:00"
	case "minutes":
		o["lastHeartbeatUtc"] = beat.Truncate(time.Minute).Format("2006-01-02T15:04Z")
	case "five-minutes":
		o["lastHeartbeatUtc"] = beat.Truncate(5 * time.Minute)
	case "four-minutes": // written that seldom, and not on whole minutes
		if after := 7 * time.Second; !beat.IsZero() {
			o["lastHeartbeatUtc"] = beat.Add(-after).Truncate(4 * time.Minute).Add(after)
		}
	case "seen":
		put("lastHeartbeatUtc", "lastSeenUtc", beat)
	case "domain":
		put("name", "relayName", `LAB\`+strings.ToUpper(e.Name))
	case "display":
		o["name"], o["machineName"] = fmt.Sprintf("Branch office %d", i+1), e.Name
	case "guid":
		o["name"], o["machineName"] = fmt.Sprintf("3f2504e0-4f89-11d3-9a0c-%012d", i+1), e.Name
	case "null-connected":
		o["connected"] = nil
	case "own-names":
		clear(o)
		o["node"], o["alive"], o["ping"] = e.Name, e.Connected, beat
	case "other-domain":
		o["name"] = strings.TrimSuffix(e.Name, ".lab.example") + ".dmz.example"
	case "frozen":
		o["lastHeartbeatUtc"] = now.Add(-time.Hour)
	case "odd-status":
		put("connected", "status", "Degraded")
	case "odd-heartbeat":
		o["lastHeartbeatUtc"] = "just now"
	case "no-heartbeat":
		delete(o, "lastHeartbeatUtc")
	case "unnamed":
		put("name", "id", fmt.Sprintf("7f0c-%d", i))
	case "strangers":
		o["name"] = fmt.Sprintf("branch-%d", i+1)
	}
}
