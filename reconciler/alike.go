package reconciler

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"

	"meshrotate/state/hostset"
)

// alike are steps that several hosts have alike, as a plan's JSON has them. The hosts stand in the order of their names, and each
// does all of the steps. A fleet of ten thousand has eighty thousand steps, which nobody could read one by one.
type alike[S any] struct {
	Hosts string `json:"hosts"` // by hostset
	Each  []S    `json:"each"`  // with theHost in place of the host's name
}

// theHost stands for a host's name.
const theHost = "{host}"

// MarshalJSON writes the steps in their order, once for consecutive hosts that have them alike.
func (r Round) MarshalJSON() ([]byte, error) {
	w := alikeWriter{written: []any{}}
	for steps := range stretches(r.Steps) {
		if err := w.add(steps); err != nil {
			return nil, err
		}
	}
	if err := w.end(); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Steps []any `json:"steps"`
	}{w.written})
}

// UnmarshalJSON reads the steps of every host.
func (r *Round) UnmarshalJSON(b []byte) error {
	var written struct{ Steps []json.RawMessage }
	if err := json.Unmarshal(b, &written); err != nil {
		return err
	}
	for _, one := range written.Steps {
		var many alike[json.RawMessage]
		if err := json.Unmarshal(one, &many); err != nil {
			return err
		}
		hosts, err := hostset.Unfold(many.Hosts)
		if err != nil {
			return err
		}
		if hosts == nil {
			hosts, many.Each = []string{theHost}, []json.RawMessage{one}
		}
		for _, host := range hosts {
			for _, each := range many.Each {
				var s Step
				if err := json.Unmarshal(renamed(each, theHost, host), &s); err != nil {
					return err
				}
				r.Steps = append(r.Steps, s)
			}
		}
	}
	return nil
}

// stretches are the steps as far as consecutive ones have one target.
func stretches(steps []Step) iter.Seq[[]Step] {
	return func(yield func([]Step) bool) {
		for len(steps) > 0 {
			n := 1
			for n < len(steps) && steps[n].Op.Target() == steps[0].Op.Target() {
				n++
			}
			if !yield(steps[:n]) {
				return
			}
			steps = steps[n:]
		}
	}
}

// alikeWriter holds the last stretch back until one comes that is not like it.
type alikeWriter struct {
	written []any             // steps, and alike ones
	hosts   []string          // of those that are held back
	first   []json.RawMessage // the steps of the first of hosts
	each    []json.RawMessage // of any of them; nil where they can be like no other's

	// Rooms for one stretch after the other: a fleet has tens of thousands, and nearly all are like the one before.
	text  bytes.Buffer
	to    *json.Encoder // to text
	in    stepIn
	ends  []int
	parts [][]byte
	room  []byte
}

func (w *alikeWriter) add(steps []Step) error {
	t := steps[0].Op.Target()
	parts, err := w.write(t.Name, steps)
	if err != nil {
		return err
	}
	name, parts := parts[0], parts[1:]
	from, to := name[1:len(name)-1], []byte(theHost) // without its quotes
	can := t.Kind == HostTarget && !slices.ContainsFunc(parts, func(b []byte) bool { return bytes.Contains(b, to) })
	if can && w.each != nil && w.hosts[len(w.hosts)-1] < t.Name && slices.EqualFunc(w.each, parts, func(each json.RawMessage, b []byte) bool {
		w.room = appendRenamed(w.room[:0], b, from, to)
		return bytes.Equal(w.room, each)
	}) {
		w.hosts = append(w.hosts, t.Name)
		return nil
	}
	err = w.end()
	w.hosts, w.first, w.each = []string{t.Name}, nil, nil
	for _, b := range parts {
		w.first = append(w.first, bytes.Clone(b))
		if can {
			w.each = append(w.each, appendRenamed(nil, b, from, to))
		}
	}
	return err
}

// write writes a name and steps as JSON. What it returns is good until it is called again.
func (w *alikeWriter) write(name string, steps []Step) ([][]byte, error) {
	w.text.Reset()
	w.ends, w.parts = w.ends[:0], w.parts[:0]
	if w.to == nil {
		w.to = json.NewEncoder(&w.text)
	}
	err := w.to.Encode(name)
	for i := 0; err == nil; i++ {
		w.ends = append(w.ends, w.text.Len())
		if i == len(steps) {
			break
		}
		err = w.in.encode(steps[i], w.to, &w.text)
	}
	begins := 0
	for _, end := range w.ends {
		w.parts = append(w.parts, w.text.Bytes()[begins:end-len("\n")]) // every value ends a line
		begins = end
	}
	return w.parts, err
}

// end writes what is held back.
func (w *alikeWriter) end() error {
	if len(w.hosts) < 2 {
		for _, s := range w.first {
			w.written = append(w.written, s)
		}
		return nil
	}
	hosts, err := hostset.Fold(w.hosts)
	w.written = append(w.written, alike[json.RawMessage]{hosts, w.each})
	return err
}

// renamed puts one name in place of another where it is a whole string, or a part of a step's ID.
func renamed(b json.RawMessage, from, to string) json.RawMessage {
	return appendRenamed(nil, b, inJSON(from), inJSON(to))
}

func appendRenamed(room, b, from, to []byte) []byte {
	copied, quoted, part := 0, 0, 0 // up to where; and where the last name between quotes, and between slashes, ended
	for at := 0; ; {
		i := bytes.Index(b[at:], from)
		if i < 0 {
			return append(room, b[copied:]...)
		}
		begins, ends := at+i, at+i+len(from)
		at = ends
		if begins == 0 || ends == len(b) || b[begins-1] != b[ends] {
			continue
		}
		last := &quoted
		switch b[ends] {
		case '"':
		case '/':
			last = &part
		default:
			continue
		}
		if begins > *last { // a delimiter belongs to one name
			room = append(append(room, b[copied:begins]...), to...)
			copied, *last = ends, ends+1
		}
	}
}

// inJSON is what stands between the quotes of a JSON string.
func inJSON(s string) []byte {
	b, _ := json.Marshal(s) // of a string it never fails
	return b[1 : len(b)-1]
}
