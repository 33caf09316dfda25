package values

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"meshrotate/reconciler/secret"
)

// template matches a text that some tool should have replaced, whole or in part: ${{ secrets.X }}, $(X), ${X}, ${NAME}-and-more, #{X},
// #{X}#, %X%, {{ .X }}, <x>, [X], [REDACTED] and more, __X__, @@X@@, ((x)), [[x]], $[x], %%X%%, <<X>>, __x__,
// @X@, {x}; ${NAME} and {{x}} also within.
var template = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\$\{\{.*\}\}|\$\([^()]*\)|[$#]\{[^{}]*\}#?|[$#]\{[A-Za-z_][A-Za-z0-9_.:-]{2,}\}.*|%[A-Za-z_][A-Za-z0-9_]*%|\{\{.*\}\}|<[^<>]*>|\[[A-Za-z _-]+\]|\[(?i:redacted|masked|hidden|removed)\].*|__[A-Z][A-Z0-9_]*__|@@?[A-Z][A-Z0-9_.]*@@?` +
		`|\(\([A-Za-z][\w./-]*\)\)|\[\[[A-Za-z_][\w .-]*\]\]|\$\[[A-Za-z][\w.'-]*\]|%%[A-Za-z_]\w*%%|<<[A-Za-z_]\w*>>|__[a-z]+(_[a-z]+)+__|@[A-Za-z][A-Za-z0-9_.]*@|\{[a-z]+([_.][a-z]+)+\}` +
		`|.*[$#]\{[A-Za-z_][A-Za-z0-9_.:-]{2,}\}.*|.*\{\{[\w .|-]+\}\}.*)$`)
})

// reference matches a whole text that names a secret, or wraps one, for some other tool: @Microsoft.KeyVault(…), secret://…,
// $env:NAME, $SOME_NAME, Some__Name=…, arn:aws:secretsmanager:…, projects/X/secrets/NAME, vault:PATH#FIELD, secretref:NAME, a tag of YAML
// (!secret NAME), /run/secrets/…, a sealed file of age or of Ansible, a value of SOPS, a pointer of Git LFS, what Vault's transit engine,
// DPAPI or ASP.NET's data protection made of one.
var reference = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(@[A-Za-z]+(\.[A-Za-z]+)*\(.*\)|(secrets?|op|vault|keyvault|akv|ssm|env|file|ref\+[a-z0-9]+)://.*|\$env:[A-Za-z_][A-Za-z0-9_]*|\$[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|[A-Za-z][A-Za-z0-9]*(__[A-Za-z0-9]+)+=.*|\$ANSIBLE_VAULT;.*|age-encryption\.org/v1.*|-----BEGIN AGE ENCRYPTED FILE-----.*|arn:aws[a-z-]*:(secretsmanager|ssm|kms):.*|projects/[^/\s]+/secrets/[^/\s]+(/versions/[^/\s]+)?|vault:[^\s#]+#[^\s#]+|secretref:\S+|!(secret|vault|env|env_var|file|include) \S.*|(/var)?/run/secrets/\S+|ENC\[[A-Z0-9_]+,.*\]|vault:v[0-9]+:\S+|ENC\(.*\)|!(Ref|Sub|GetAtt|ImportValue) \S.*|(var|local|module|data)\.[a-z_][a-z0-9_.]*|[a-z][a-z0-9-]*/data/[^\s#]+#\S+|[A-Za-z]+(__[A-Za-z]+)+|(?i:dpapi|enc|encrypted|protected|cipher):\S+|\{(?i:cipher|enc|aes|dpapi)\}\S+|AQAAANCMnd8BFdERjHoAwE\S+|(?i:01000000d08c9ddf0115d111)[0-9A-Fa-f]+|CfDJ8[A-Za-z0-9_-]{60,}|version https://git-lfs\.github\.com/.*)$`)
})

// located matches the address of a page, or the path of a file on Windows. Its directories and names are of plain characters only: a
// random password may begin as a path does.
var located = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^((?i:https?)://.*|[A-Za-z]:\\([\w .()-]+\\)*[\w .()-]+(\\[\w .()-]+|\.[A-Za-z0-9]{2,8})|\\\\[\w.-]+\\[\w.$-]+\\.*)$`)
})

// failure matches what a program says instead of a value.
var failure = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(error:.*|access (is |was )?denied([\s.:,;!(].*)?|(the )?secret (is |was )?not found([\s.:,;!(].*)?|.*(command not found|: not found|was not found|could not be found|no value found at |no such file or directory).*|unable to (get|find|read|retrieve) .*|fatal: .*|[a-z.]+exception: .*|[a-z]+\.[a-z.]*error: .*)$`)
})

// reminder matches a text that somebody wrote to be reminded: "TODO: ask Operations", change-me-later, your_key_here, insert-it-here-1,
// example-value-1.
var reminder = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^((todo|tbd|fixme)[:\s].*|(change|replace)[_\s-]?(me|this|with|by)([^a-z0-9].*)?|(your|my|insert|enter|put)([_\s-]?[a-z]+)*[_\s-](here|goes[_\s-]here([_\s-][a-z0-9]+)*)|(insert|enter|paste)([_\s-]?[a-z]+)*[_\s-]here([_\s-].*)?|your[_-][a-z_-]*(secret|key|password|token)[_-]here[_-].*|example[_-].+|your[_-][a-z0-9_-]*(secret|key|password|token)([_-]?[0-9]+)?)$`)
})

// named matches a text that has the value's name before it, or what a header has there.
var named = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^((bearer|basic|[a-z]+key) \S+|(([a-z]+[_:-]?)*key|password|pwd|secret|token|value)\s*[=:]\s*\S+)$`)
})

// object matches what a program prints of an object that it was not told how to print: the name of its type, or PowerShell's @{…}.
var object = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("^(\\[object [A-Z][A-Za-z]*\\].*|(System|Microsoft|Windows|Newtonsoft|java|javax)(\\.[A-Za-z_][A-Za-z0-9_+`]*)+(\\[[^ ]*\\]|@[0-9a-f]+)?|@\\{.*\\}|<[a-z_.]+ object at 0x[0-9a-fA-F]+>)$")
})

// page matches what a server or a browser saves that was asked for a file.
var page = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(<!doctype |<html[\s>]|<\?xml |<head>|<body[\s>])`)
})

// escaped matches what another program has written into a text of its own form: &amp; or \u003d within, a line's end in two letters behind
// it, or base64 that ends as an address has it.
var escaped = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`&(amp|lt|gt|quot|apos|#[0-9]{2,5}|#x[0-9A-Fa-f]{2,4});|\\r\\n$|\\u00(3[dDcCeE]|2[67bB])|^[A-Za-z0-9%+/_-]{16,}%3[dD]$`)
})

// blank are characters of a width that show nothing and are no spaces to Unicode.
const blank = "\u3164\u2800\u115f\u1160\uffa0"

// words are texts that say that there is no value, or are what people type to try something; alone they are none.
var words = []string{"n/a", "nil", "password", "secret", "test", "dummy", "not set", "unset", "unknown"}

// placeholders are texts that stand where somebody meant to put a secret. Letters alone are compared.
var placeholders = []string{"changeme", "changeit", "replaceme", "todo", "tbd", "xxx", "placeholder", "yourpassword", "yourpasswordhere", "yourkeyhere", "null", "none", "undefined", "redacted"}

// Elsewhere says of a value that is in use why what it stands for is not in it: it refers to a secret or wraps one, or sure is false and
// somebody may put one in its place. "" where nothing says so.
func Elsewhere(value []byte) (why string, sure bool) {
	switch text := string(value); {
	case reference().MatchString(firstLine(text)):
		return "it refers to a secret, or wraps one: what is in force is not what stands there (rotate that where it is kept, or put the value itself there first)", true
	case template().MatchString(text), reminder().MatchString(text):
		return "it is a placeholder", false
	}
	return "", false
}

// Odd says why a password or a key that a source gave cannot be meant, nil when it can. It says what is wrong, and never a
// character of the value but for invisible ones.
func Odd(value []byte) error {
	text := string(value)
	switch {
	case !utf8.Valid(value):
		return errors.New("it is not text in UTF-8")
	case strings.TrimFunc(text, unicode.IsSpace) != text:
		return errors.New("it begins or ends with a blank")
	case template().MatchString(text), reminder().MatchString(text):
		return errors.New("it is a placeholder that nothing was put in the place of")
	case reference().MatchString(firstLine(text)):
		return errors.New("it refers to a secret, or wraps one, and is none itself")
	case located().MatchString(text):
		return errors.New("it is the address of a page or the path of a file, and not what is there")
	case failure().MatchString(text):
		return errors.New("it is what a program says that has no value to give")
	case holdsIdentity(text):
		return errors.New("it is an identity of age, which opens sealed files, and no password")
	case strings.HasPrefix(text, "-----BEGIN "):
		return errors.New("it is a key or a certificate in PEM, and no password")
	case page().MatchString(text):
		return errors.New("it is a web page or another document, and no password")
	case escaped().MatchString(text):
		return errors.New("it is written as HTML, XML or JSON escapes it, and not as it is")
	case object().MatchString(text):
		return errors.New("it is what a program prints of an object, and not what the object holds")
	case named().MatchString(text):
		return errors.New("it has its name, or a word of a header, before it, which would become part of it")
	}
	for _, r := range text {
		switch {
		case r == '\n' || r == '\r':
			return errors.New("it has more than one line")
		case unicode.IsControl(r):
			return fmt.Errorf("it holds the control character U+%04X", r)
		case unicode.In(r, unicode.Cf, unicode.Variation_Selector) || strings.ContainsRune(blank, r) || unicode.IsSpace(r) && r != ' ':
			return fmt.Errorf("it holds the invisible character U+%04X", r)
		}
	}
	if first, _ := utf8.DecodeRuneInString(text); utf8.RuneCountInString(text) > 1 {
		if last, _ := utf8.DecodeLastRuneInString(text); quoted[first] != 0 && quoted[first] == last {
			return errors.New("it stands in quotes, which would become part of it")
		}
		if strings.Trim(text, string(first)) == "" || masked(text) {
			return errors.New("it is one character, repeated")
		}
		if hidden().MatchString(text) {
			return errors.New("a part of it is hidden, as logs and forms show a value")
		}
		if strings.HasPrefix(text, `\"`) && strings.HasSuffix(text, `\"`) {
			return errors.New("it stands in quotes, which would become part of it")
		}
		for n := 2; n <= 3 && len(text) >= 8; n++ {
			if text[n:] == text[:len(text)-n] {
				return errors.New("it is a few characters, repeated")
			}
		}
	}
	if slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, text) }) {
		return errors.New("it is a placeholder that nothing was put in the place of")
	}
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
	for _, p := range placeholders {
		again := len(letters) / len(p)
		if again > 0 && letters == strings.Repeat(p, again) && len(text) <= again*(len(p)+6) {
			return errors.New("it is a placeholder that nothing was put in the place of")
		}
	}
	if raw, err := base64.StdEncoding.DecodeString(text); err == nil && len(raw) > 0 && len(bytes.Trim(raw, string(raw[:1]))) == 0 {
		return errors.New("it is one byte, repeated")
	}
	return lookAlike(text)
}

// Whole says why a value is not one, but a document of several: a vault's item, or an export. What an API takes may be such a
// document; a password or a key is none.
func Whole(value []byte) error {
	if text := bytes.TrimSpace(value); len(text) > 0 && (text[0] == '{' || text[0] == '[') && json.Valid(text) {
		return errors.New("it is a JSON document, and one value is wanted: name that in it")
	}
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSuffix(line, "\r")
}

// hidden matches a text of which a beginning or an end is left: abcd****, ****wxyz, abcd....
var hidden = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^.+(\*{4,}|•{4,}|●{4,}|\.{4,})$|^(\*{4,}|•{4,}|●{4,}|\.{4,}).+$`)
})

// masked says that a text is groups of one character, as logs and forms hide a value.
func masked(text string) bool {
	kept := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -_./", r) {
			return -1
		}
		return r
	}, text)
	first, _ := utf8.DecodeRuneInString(kept)
	return utf8.RuneCountInString(kept) > 2 && strings.Trim(kept, string(first)) == ""
}

// quoted are quotation marks with what closes them.
var quoted = map[rune]rune{'"': '"', '\'': '\'', '`': '`', '“': '”', '‘': '’', '„': '“', '«': '»'}

// holdsIdentity says that a text has an age identity in it, with comments or without.
func holdsIdentity(text string) bool {
	return strings.Contains(strings.ToUpper(text), "AGE-SECRET-KEY-")
}

// Credential refuses what may not be sent to anybody: an age identity opens all that is kept.
func Credential(v secret.Value) error {
	if holdsIdentity(string(v.Expose())) {
		return hint(errors.New("it is an age identity, which opens sealed files, and no credential"), "name the source of the credential itself")
	}
	return nil
}
