package winhost

import (
	"bytes"
	"encoding/json"
)

// said is the JSON of a frame that is no reply yet: lines that an op under way has to tell.
type said struct {
	Said []string `json:"said"`
}

// EncodeSaid makes the frame that tells lines of an op under way.
func EncodeSaid(nonce [NonceSize]byte, lines []string) (Frame, error) {
	text, err := json.Marshal(said{lines})
	return Frame{Nonce: nonce, JSON: text}, err
}

// saidBy are the lines of a frame; ok is false when it is a reply.
func saidBy(f Frame) (lines []string, ok bool) {
	if !bytes.Contains(f.JSON, []byte(`"said"`)) {
		return nil, false // most are replies, and long
	}
	var s said
	if json.Unmarshal(f.JSON, &s) != nil || s.Said == nil {
		return nil, false
	}
	return s.Said, true
}

// replyIn finds the reply in output, and passes on what is told before it. The rest begins behind that.
func replyIn(output []byte, nonce [NonceSize]byte, tell func(string)) (reply Frame, rest []byte, err error) {
	for {
		frame, err := find(output, nonce)
		if err != nil {
			return Frame{}, output, err
		}
		lines, more := saidBy(frame)
		if !more {
			return frame, output, nil
		}
		for _, line := range lines {
			if tell != nil {
				tell(line)
			}
		}
		output = output[bytes.Index(output, nonce[:])+frame.size():]
	}
}
