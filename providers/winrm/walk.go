package winrm

import "bytes"

// These walk an answer as a tree. Each function that reads an element ends right after its end tag.

func (t token) is(space, local string) bool { return t.local == local && t.space == space }

// attr is the value of an attribute without namespace.
func (t token) attr(local string) string {
	for _, a := range t.attrs {
		if a.space == "" && a.local == local {
			return a.value
		}
	}
	return ""
}

// root is the first element.
func (s *scanner) root() (token, error) {
	for {
		t, err := s.next()
		if err != nil || t.kind == startTag {
			return t, err
		}
		if t.kind == endTag {
			return t, errXML
		}
	}
}

// rest checks that nothing but white space follows the root element.
func (s *scanner) rest() error {
	if s.space(); s.pos != len(s.buf) {
		return errXML
	}
	return nil
}

// children calls visit for each element inside the current one. visit reads that element to its end.
func (s *scanner) children(visit func(token) error) error {
	for {
		t, err := s.next()
		if err != nil {
			return err
		}
		switch t.kind {
		case endTag:
			return nil
		case startTag:
			if err := visit(t); err != nil {
				return err
			}
		}
	}
}

// ignore reads the current element to its end.
func (s *scanner) ignore() error {
	return s.children(func(token) error { return s.ignore() })
}

// content is the text of the current element, which must hold no other element.
func (s *scanner) content() ([]byte, error) {
	var text []byte
	for {
		t, err := s.next()
		switch {
		case err != nil:
			return nil, err
		case t.kind == endTag:
			return text, nil
		case t.kind == startTag:
			return nil, violation("there is an element where text was expected")
		case text == nil:
			text = t.text
		default:
			text = append(text[:len(text):len(text)], t.text...)
		}
	}
}

// words is the text of the current element and of those inside it.
func (s *scanner) words() ([]byte, error) {
	var text []byte
	for depth := 1; depth > 0; {
		t, err := s.next()
		if err != nil {
			return nil, err
		}
		switch t.kind {
		case startTag:
			depth++
		case endTag:
			depth--
		case charData:
			text = append(text, t.text...)
		}
	}
	return text, nil
}

// once reads the text of the current element into to, which must be empty.
func (s *scanner) once(to *string) error {
	text, err := s.content()
	if err == nil && *to != "" {
		return violation("an element is there twice")
	}
	*to = known(bytes.TrimSpace(text))
	return err
}

// same is once for what may be said twice, in the same words.
func (s *scanner) same(to *string) error {
	text, err := s.content()
	if err == nil && *to != "" && *to != string(bytes.TrimSpace(text)) {
		return violation("the answer contradicts itself")
	}
	*to = string(bytes.TrimSpace(text))
	return err
}
