package adminapi

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// Listed says where a list is in its answer, of which others than this package know what it lists.
type Listed struct {
	// At is where the document says that it is: a field, or a path such as data.items; "" where it does not say.
	At string
	// Key is how the document names that, "" where nobody says.
	Key string
	// Tells says of an entry that it is one of what is asked for: where there are several lists, that tells which is meant.
	Tells func(Object) bool
}

// readList reads an array of objects, or an object that holds one. Of several it is the one in which an entry tells what is asked.
func readList(body []byte, p *places, l Listed) ([]Object, error) {
	list, _, ok := listOf(body, p, "")
	switch {
	case l.At != "":
		list, _, ok = listAt(body, l.At)
	case !ok && len(p.of("list ")) == 0:
		if list, ok = emptyList(body); !ok && l.Tells != nil {
			list, ok = listWhere(body, p, l.Tells)
		}
	}
	if !ok || slices.ContainsFunc(list, func(o Object) bool { return o.fields == nil }) {
		e := notJSON(body, "a list of objects")
		switch at := p.of("list "); {
		case l.At != "":
			e.Detail += ": it has none as " + plain(l.At)
		case len(at) > 0:
			e.Detail += ": it has none where it had one before" + asPath(at[0])
		case several(body, most):
			e.Detail += ": it holds several, and nobody knows which is meant"
		}
		if e.otherwise && (l.At != "" || several(body, most)) {
			e.which = cmp.Or(l.Key, "list beside its path")
		}
		return nil, e
	}
	for i := range list {
		list[i].places = p
	}
	return list, nil
}

// emptyList is the one list of an object, which has nothing in it.
func emptyList(body []byte) (list []Object, ok bool) {
	o, _ := readObject(body)
	for _, raw := range o.fields {
		if !startsWith(raw, '[') {
			continue
		}
		if list, is := entriesOf(raw); ok || !is || len(list) > 0 {
			return nil, false
		}
		ok = true
	}
	return nil, ok
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
