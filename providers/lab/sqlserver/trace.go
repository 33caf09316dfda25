package sqlserver

import "strings"

// Traced is a statement as SQL Server's own traces and events show it: the text of one that sets a password is left out.
func (s Statement) Traced() string {
	if verb := setsPassword(s.Text); verb != "" {
		return "--*" + verb + strings.Repeat("-", 20)
	}
	text := s.Text
	for _, p := range s.Params {
		text += "\n@" + strings.TrimPrefix(p.Name, "@") + " = " + textOf(p)
	}
	return text
}

func textOf(p Param) string {
	if setsPassword(text(p.Value)) != "" {
		return "--*"
	}
	return text(p.Value)
}

// setsPassword names the statement in a text that sets a password; empty when none does.
func setsPassword(s string) string {
	tokens, err := lex(s)
	if err != nil {
		return ""
	}
	verb := ""
	for i, t := range tokens {
		switch {
		case t.is("LOGIN", "USER") && i > 0 && tokens[i-1].is("CREATE", "ALTER"):
			verb = upper(tokens[i-1].text + " " + t.text)
		case verb != "" && t.is("PASSWORD"):
			return verb
		}
	}
	return ""
}
