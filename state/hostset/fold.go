package hostset

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// maxDigits of a number that is counted; longer ones are written as they are.
const maxDigits = 18

// minRun is how many names make a range worth writing.
const minRun = 3

// Fold returns a text for a set of names, the same for the same set in any order; "" for none.
func Fold(names []string) (string, error) {
	if !slices.IsSorted(names) {
		names = slices.Sorted(slices.Values(names))
	}
	names = slices.Compact(slices.Clone(names))
	if len(names) > Max {
		return "", ErrTooMany
	}
	counted := map[[2]string][]member{} // by prefix and suffix
	labels := map[string][]string{}     // by domain, folded
	var items []string
	add := func(label, domain string) {
		if dot(label) >= 0 { // a range whose number is not in the first label is an item of its own
			items = append(items, label)
			return
		}
		labels[domain] = append(labels[domain], label)
	}
	for _, name := range names {
		prefix, digits, suffix := split(name)
		if digits == "" {
			add(single(name))
			continue
		}
		n, _ := strconv.ParseUint(digits, 10, 64)
		key := [2]string{prefix, suffix}
		counted[key] = append(counted[key], member{name, n, len(digits), digits[0] == '0' && len(digits) > 1})
	}
	for key, members := range counted {
		fold(key[0], key[1], members, add)
	}
	for domain, of := range labels {
		slices.Sort(of)
		items = append(items, strings.Join(of, ",")+escapePart(domain))
	}
	slices.Sort(items)
	return strings.Join(items, " "), nil
}

// single is a name as label and domain.
func single(name string) (label, domain string) {
	label, domain = domainOf(name)
	return escape(label), domain
}

func domainOf(name string) (label, domain string) {
	if at := strings.IndexByte(name, '.'); at >= 0 {
		return name[:at], name[at:]
	}
	return name, ""
}

// member is one of names that are alike but for a number.
type member struct {
	name  string
	n     uint64
	width int
	zeros bool // it has leading zeros
}

// split finds the number that counts a name: the last one of the first label, or of the whole when that has none, or
// when there is nothing but numbers and dots, as in an address. digits is "" when there is none.
func split(name string) (prefix, digits, suffix string) {
	first, _, _ := strings.Cut(name, ".")
	end := strings.LastIndexAny(first, "0123456789") + 1
	if end == 0 || strings.Trim(name, "0123456789.") == "" {
		end = strings.LastIndexAny(name, "0123456789") + 1
	}
	start := end
	for start > 0 && '0' <= name[start-1] && name[start-1] <= '9' {
		start--
	}
	if end-start > maxDigits {
		return name, "", ""
	}
	return name[:start], name[start:end], name[end:]
}

// fold adds the ranges, and the single names, of numbers between one prefix and one suffix.
func fold(prefix, suffix string, members []member, add func(label, domain string)) {
	if len(members) >= minRun {
		sortByNumber(members)
	}
	for start := 0; start < len(members); {
		end := start + 1
		for end < len(members) && members[end].width == members[start].width && members[end].n == members[end-1].n+1 {
			end++
		}
		if end-start < minRun {
			for _, m := range members[start:end] {
				add(single(m.name))
			}
		} else {
			r := run{prefix, suffix, members[start].n, members[end-1].n, members[start].width}
			add(r.fold())
		}
		start = end
	}
}

// sortByNumber puts members in order that can follow one another in a range. A number without leading zeros belongs to
// those of its width that have some: 08 09 10 count as one. Others have no width: 9 10 11.
func sortByNumber(members []member) {
	padded := map[int]bool{}
	for _, m := range members {
		padded[m.width] = padded[m.width] || m.zeros
	}
	for i := range members {
		if !padded[members[i].width] {
			members[i].width = 0
		}
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Or(cmp.Compare(a.width, b.width), cmp.Compare(a.n, b.n)) })
}

// fold is a range as label and domain. Where the number is not in the first label, the whole is the label.
func (r run) fold() (label, domain string) {
	if strings.IndexByte(r.prefix, '.') < 0 {
		r.suffix, domain = domainOf(r.suffix)
	}
	return r.String(), domain
}
