package values

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Letters of other scripts that look like Latin ones (Unicode Technical Standard #39, section 4), of those on common keyboards.
const (
	cyrillic = "АВЕКМНОРСТУХІЈЅаеорсухіјѕһԁӏ"
	greek    = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοινρυα"
)

// lookAlike says why a text is not what it looks like: whoever reads it and types it gets another one. It names places, and no
// character. Letters of another script are meant where any of them looks like none of ours.
func lookAlike(text string) error {
	if !norm.NFC.IsNormalString(text) {
		return errors.New("it has letters of two characters, a letter and its mark: typed elsewhere it is another text (write it in Unicode's form NFC)")
	}
	latin, foreign, like := false, 0, 0
	var script string
	place := 0
	for _, r := range text {
		place++
		switch {
		case width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			return fmt.Errorf("its character %d is a full-width one, as Chinese and Japanese keyboards write it", place)
		case r > unicode.MaxASCII && unicode.Is(unicode.Nd, r):
			return fmt.Errorf("its character %d is a digit of another script", place)
		case unicode.Is(unicode.Pd, r) && r != '-' || r == '\u2212':
			return fmt.Errorf("its character %d is a dash, and not the hyphen of a keyboard", place)
		case r == '‘' || r == '’' || r == '“' || r == '”':
			return fmt.Errorf("its character %d is a quotation mark of a word processor", place)
		case r <= unicode.MaxASCII:
			latin = latin || unicode.IsLetter(r)
		case unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r):
			foreign++
			if of := scriptOf(r); of != "" {
				if like++; like == 1 {
					script = fmt.Sprintf("its character %d is %s, and looks like a Latin one", place, of)
				}
			}
		}
	}
	if latin && like > 0 && like == foreign {
		return errors.New(script)
	}
	return nil
}

// scriptOf names the script of a letter that looks like a Latin one, "" of any other.
func scriptOf(r rune) string {
	switch {
	case strings.ContainsRune(cyrillic, r):
		return "a Cyrillic letter"
	case strings.ContainsRune(greek, r):
		return "a Greek letter"
	}
	return ""
}
