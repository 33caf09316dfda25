package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"meshrotate/state"
	"meshrotate/state/chain"
	"meshrotate/state/durable"
)

// head is how far the ledger goes at least: a chain by itself does not show that its end is gone.
type head struct {
	Entries int `json:"entries"`
	// Chain is the link of the last of them, "" for none.
	Chain string `json:"chain,omitempty"`
}

func (h head) String() string {
	text, _ := json.Marshal(h) // of a number and hex digits
	return string(text)
}

const headLimit = 1 << 10

// readHead says what the head knows; ok is false when there is none.
func (s *Store) readHead() (h head, ok bool, err error) {
	data, err := durable.ReadFile(s.path("ledger.head"), headLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return head{}, false, nil
	}
	if err != nil && !errors.Is(err, durable.ErrUnfit) {
		return head{}, false, err
	}
	if err != nil || json.Unmarshal(data, &h) != nil || h.Entries < 0 || (h.Entries == 0) != (h.Chain == "") {
		return head{}, false, state.Damaged(fmt.Errorf("%s cannot be read", s.path("ledger.head")),
			"restore it from a backup; removed, it leaves an error that says what to write into it")
	}
	return h, true, nil
}

func (s *Store) writeHead(c chain.Chain) error {
	return durable.Replace(s.path("ledger.head"), []byte(headOf(c).String()+"\n"))
}

func headOf(c chain.Chain) head {
	if c.Entries == 0 {
		return head{}
	}
	return head{c.Entries, c.Last}
}

// begin makes the head of a new ledger, before anything that a ledger goes with: from then on a ledger that is not there
// is one that was lost. Where something is there already and the head is not, it was lost itself.
func (s *Store) begin() error {
	if _, ok, err := s.readHead(); ok || err != nil {
		return err
	}
	trace, err := s.trace()
	if err != nil {
		return err
	}
	if trace != "" {
		if _, ok, err := s.readHead(); ok || err != nil { // another process began meanwhile
			return err
		}
		return s.lost(trace)
	}
	if err := s.folder(); err != nil {
		return err
	}
	if err := durable.Create(s.path("ledger.head"), []byte(head{}.String()+"\n")); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// trace names what shows that there was a ledger, "" when nothing does.
func (s *Store) trace() (string, error) {
	for _, name := range []string{"ledger.jsonl", "fence", "values"} {
		info, err := os.Stat(s.path(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", err
		case info.Size() > 0 || info.IsDir():
			return name, nil
		}
	}
	return "", nil
}

// lost says that there is no head where there must have been one.
func (s *Store) lost(trace string) error {
	if trace != "ledger.jsonl" {
		return state.Damaged(fmt.Errorf("%s and ledger.head are missing, and %s shows that they were there", s.path("ledger.jsonl"), s.path(trace)),
			"restore them from a backup; if they are lost for good, write "+head{}.String()+
				" into ledger.head: then every secret counts as never rotated")
	}
	hint := "restore it from a backup"
	if l, err := s.readLines(head{}); err == nil {
		hint += ", or, if ledger.jsonl is complete, write " + headOf(l.chain).String() + " into it"
	}
	return state.Damaged(fmt.Errorf("%s is missing: nobody can say whether the end of the ledger is there", s.path("ledger.head")), hint)
}

// agrees says whether the ledger holds what the head knows of. It may hold more: a crash can come between the two.
func (s *Store) agrees(h head, l lines) error {
	switch missing := h.Entries - l.chain.Entries; {
	case missing > 0:
		text := strconv.Itoa(missing) + " entries are missing"
		if missing == 1 {
			text = "1 entry is missing"
		}
		return state.Damaged(fmt.Errorf("%s: %s at its end: ledger.head knows of %d", s.path("ledger.jsonl"), text, h.Entries),
			"restore the file from a backup; if they are lost for good, write "+headOf(l.chain).String()+
				" into ledger.head: what they told is then looked at again")
	case l.atHead != h.Chain:
		return state.Damaged(fmt.Errorf("%s: entry %d is not the one that ledger.head knows", s.path("ledger.jsonl"), h.Entries),
			"restore both files from one backup: this is the ledger of another folder, or it was written anew")
	}
	return nil
}
