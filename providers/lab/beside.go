package lab

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// remembers is for how long Admin tells of a connection that ended.
const remembers = 10 * time.Minute

// gone is when relays were last heard over a connection that ended a while ago, by name.
func (l *Lab) gone(now time.Time) map[string]time.Time {
	all := map[string]time.Time{}
	for h, r := range l.mesh {
		if !r.last.IsZero() && now.Sub(r.last) < remembers {
			all[h.Machine.Name] = r.last.UTC()
		}
	}
	return all
}

// since is when relays that are connected became so, by name.
func (l *Lab) since(now time.Time) map[string]time.Time {
	all := map[string]time.Time{}
	for _, h := range l.Relays {
		if at, is := l.connected(h, now); is {
			all[h.Machine.Name] = at.UTC()
		}
	}
	return all
}

// beside answers with a list beside which stands what is there only once connections have ended, as after a restart; false of other
// shapes.
func beside(w http.ResponseWriter, shape string, entries []map[string]any, gone map[string]time.Time) bool {
	ghosts, alerts := []map[string]any{}, []map[string]any{}
	for _, e := range entries {
		name, _ := e["name"].(string)
		if was, ok := gone[name]; ok {
			ghosts = append(ghosts, map[string]any{"name": name, "connected": false, "lastHeartbeatUtc": was})
			alerts = append(alerts, map[string]any{"relay": name, "text": "was disconnected"})
		}
	}
	switch shape {
	case "alerts":
		answer(w, map[string]any{"agents": entries, "alerts": alerts})
	case "warnings":
		answer(w, map[string]any{"result": map[string]any{"nodes": entries}, "diagnostics": map[string]any{"warnings": alerts}})
	case "online":
		answer(w, map[string]any{"online": entries, "offline": ghosts})
	case "page-size": // the first page, however many there are
		all := slices.Concat(ghosts, entries)
		size := len(entries) + 1
		answer(w, map[string]any{"items": all[:min(size, len(all))], "page": 1, "pageSize": size, "totalCount": len(all)})
	case "page-hidden": // the same, and nothing says that it is one
		all := slices.Concat(ghosts, entries)
		answer(w, map[string]any{"items": all[:min(len(entries)+1, len(all))]})
	default:
		return false
	}
	return true
}

// tellFailures lets Admin tell of connectors in an object, with a list beside that is empty in the first answer.
func (l *Lab) tellFailures(h *Host) error {
	var asked atomic.Int32
	return answering("/api/connectors", http.MethodGet, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
		whole := &kept{header: http.Header{}, status: http.StatusOK}
		sound.ServeHTTP(whole, r)
		failures := []map[string]any{}
		if asked.Add(1) > 1 {
			failures = append(failures, map[string]any{"code": 17, "text": "a run was late"})
		}
		answer(w, map[string]any{"connectors": json.RawMessage(whole.body), "failures": failures})
	})(l, h)
}

// tellRunning lets Admin tell of sync runs that are all under way.
func (l *Lab) tellRunning(h *Host) error {
	return answering("/api/connectors", http.MethodGet, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
		whole := &kept{header: http.Header{}, status: http.StatusOK}
		sound.ServeHTTP(whole, r)
		var list []map[string]any
		if json.Unmarshal(whole.body, &list) != nil {
			http.Error(w, "no plain list", http.StatusInternalServerError)
			return
		}
		for _, one := range list {
			if one["lastSyncStatus"] != nil {
				one["lastSyncStatus"] = "Running"
			}
		}
		answer(w, list)
	})(l, h)
}

// besideSyncs lets Admin tell of connectors in an object, with another list beside that is never empty.
func besideSyncs(name string, entry map[string]any) func(*Lab, *Host) error {
	return answering("/api/connectors", http.MethodGet, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
		whole := &kept{header: http.Header{}, status: http.StatusOK}
		sound.ServeHTTP(whole, r)
		answer(w, map[string]any{"connectors": json.RawMessage(whole.body), name: []any{entry}})
	})
}

// tellPrevious lets Admin tell of the license that it served before this was asked for, too, once it serves another.
func (l *Lab) tellPrevious(h *Host) error {
	before := l.Served()
	return telling("/api/license", func(now map[string]any) any {
		answer := map[string]any{"current": now, "previous": nil}
		if l.Served() != before {
			answer["previous"] = served(before)
		}
		return answer
	})(l, h)
}
