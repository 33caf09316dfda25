package values

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxName keeps escaped names within the limit of 255 bytes of common file systems, with room for suffixes.
const maxName = 200

// escape makes a file name of a secret's name or version, one to one, for every file system: lower-case letters,
// digits, '-' and '_' stay, every other byte becomes %xx. So no name climbs out of its folder, and none collide where
// case does not count.
func escape(name string) (string, error) {
	if name == "" {
		return "", errors.New("a secret without a name or version cannot be kept")
	}
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
		if plain && !(i == 0 && reserved(name)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if b.Len() > maxName {
		return "", fmt.Errorf("the name %q is too long to be kept: %d bytes as a file name, at most %d", name, b.Len(), maxName)
	}
	return b.String(), nil
}

// unescape is the reverse. ok is false for a file that escape would not have named so.
func unescape(file string) (name string, ok bool) {
	name, err := url.PathUnescape(file)
	if err != nil {
		return "", false
	}
	again, err := escape(name)
	return name, err == nil && again == file
}

// reserved are names that Windows gives to devices, with any extension
// (https://learn.microsoft.com/windows/win32/fileio/naming-a-file).
func reserved(name string) bool {
	switch base, _, _ := strings.Cut(name, "."); base {
	case "con", "prn", "aux", "nul", "conin$", "conout$":
		return true
	default:
		return len(base) == 4 && (strings.HasPrefix(base, "com") || strings.HasPrefix(base, "lpt")) && '0' <= base[3] && base[3] <= '9'
	}
}
