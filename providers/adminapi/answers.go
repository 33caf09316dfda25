package adminapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// readList reads an array of objects, or an object with exactly one array in it.
func readList(body []byte) ([]Object, error) {
	bad := notJSON(body, "a list of objects")
	if startsWith(body, '{') {
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) != nil {
			return nil, bad
		}
		body = nil
		for _, raw := range fields {
			if !startsWith(raw, '[') {
				continue
			}
			if body != nil {
				return nil, bad
			}
			body = raw
		}
	}
	var raw []json.RawMessage
	if !startsWith(body, '[') || json.Unmarshal(body, &raw) != nil {
		return nil, bad
	}
	list := make([]Object, 0, len(raw))
	for _, r := range raw {
		o, err := readObject(r)
		if err != nil {
			return nil, bad
		}
		list = append(list, o)
	}
	return list, nil
}

func readDashboard(body []byte) error {
	if !json.Valid(body) || !(startsWith(body, '{') || startsWith(body, '[')) {
		return notJSON(body, "a dashboard")
	}
	return failedInside(body)
}

// saysUnwell says that a health check's answer calls the service unhealthy, as ASP.NET writes it: in a word, or in an object of a writer of
// the deployment's own.
func saysUnwell(body []byte) bool {
	const unwell = "unhealthy"
	if strings.EqualFold(strings.TrimSpace(string(body)), unwell) {
		return true
	}
	var o struct{ Status, OverallStatus any } // in any case
	_ = json.Unmarshal(body, &o)
	for _, v := range []any{o.Status, o.OverallStatus} {
		if s, is := v.(string); is && strings.EqualFold(s, unwell) {
			return true
		}
	}
	return false
}

// saysFailed says that an answer is an envelope around an error: it has no success, and says why.
func saysFailed(body []byte) bool {
	var o struct {
		Success, Succeeded, IsSuccess, OK    *bool
		Error, Errors, ErrorMessage, Message any
	}
	_ = json.Unmarshal(body, &o)
	failed := slices.ContainsFunc([]*bool{o.Success, o.Succeeded, o.IsSuccess, o.OK}, func(b *bool) bool { return b != nil && !*b })
	return failed && (o.Error != nil || o.Errors != nil || o.ErrorMessage != nil || o.Message != nil)
}

// failedInside is the error of such an answer. What it says is not repeated: it may hold anything.
func failedInside(body []byte) error {
	if !saysFailed(body) {
		return nil
	}
	return &Error{Kind: Server, Status: http.StatusOK, Detail: "it says that it failed, with status 200"}
}

func notJSON(body []byte, want string) *Error {
	e := &Error{Kind: WrongContent, Detail: "the answer is not " + want, otherwise: json.Valid(body)}
	if e.begun = !e.otherwise && (startsWith(body, '{') || startsWith(body, '[')); e.begun {
		e.Detail += ": it begins as JSON, and is cut short or damaged"
	}
	return e
}
