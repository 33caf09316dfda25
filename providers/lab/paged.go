package lab

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// paged answers with one page of the list, and without a link to another; false of other shapes.
func paged(w http.ResponseWriter, r *http.Request, shape string, entries []map[string]any) bool {
	asked := func(name string, first int) int {
		if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
			return n
		}
		return first
	}
	one := func(n int) []map[string]any {
		return entries[min(max(n, 0), len(entries)):min(max(n+1, 0), len(entries))]
	}
	switch shape {
	case "by-page":
		n := asked("pageNumber", 1)
		answer(w, map[string]any{"items": one(n - 1), "pageNumber": n, "pageSize": 1, "totalPages": len(entries)})
	case "by-page-mute": // its first is page 0
		n := asked("page", 0)
		answer(w, map[string]any{"items": one(n), "hasMore": n+1 < len(entries)})
	case "by-offset":
		n := asked("offset", 0)
		answer(w, map[string]any{"items": one(n), "offset": n, "limit": 1, "total": len(entries)})
	case "by-token":
		text, _ := base64.StdEncoding.DecodeString(r.URL.Query().Get("pageToken"))
		n, _ := strconv.Atoi(string(text))
		page := map[string]any{"items": one(n), "nextPageToken": nil}
		if n+1 < len(entries) {
			page["nextPageToken"] = base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d", n+1))
		}
		answer(w, page)
	case "default-page": // ten, of which most are of connections that ended long ago
		var old []map[string]any
		for i := range 8 {
			if len(entries) > 0 {
				e := maps.Clone(entries[0])
				e["connected"], e["lastHeartbeatUtc"] = false, time.Now().UTC().Add(-time.Duration(i+1)*time.Hour)
				old = append(old, e)
			}
		}
		all := slices.Concat(old, entries)
		answer(w, all[:min(10, len(all))])
	default:
		return false
	}
	return true
}
