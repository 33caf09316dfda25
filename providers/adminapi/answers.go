package adminapi

import "encoding/json"

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
	return nil
}

func notJSON(body []byte, want string) *Error {
	e := &Error{Kind: WrongContent, Detail: "the answer is not " + want, otherwise: json.Valid(body)}
	if e.begun = !e.otherwise && (startsWith(body, '{') || startsWith(body, '[')); e.begun {
		e.Detail += ": it begins as JSON, and is cut short or damaged"
	}
	return e
}
