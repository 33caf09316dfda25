package trust

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"meshrotate/specs"
	"meshrotate/specs/signed"
)

// Side is the trusted side.
type Side struct {
	// Base is the document as it was agreed to; nil: there is none, and what the operator does not allow is the product's own.
	Base *specs.Deployment
	// Name is the base for people: main at 4f2a91c.
	Name string
	// Operator is what whoever runs this allows; nil: nothing more than the base.
	Operator *Operator
	// Root is the checkout with the request's files, "" where there is none.
	Root string
	// Assumed: nobody has named the base.
	Assumed bool
}

// String is the trusted side for people.
func (s Side) String() string {
	var all []string
	if s.Base != nil {
		all = append(all, s.Name)
	}
	if s.Operator != nil {
		all = append(all, s.Operator.file)
	}
	return strings.Join(all, ", ")
}

// Signers are who may sign what is applied, by the trusted side; nil where nobody need.
func (s Side) Signers() (*signed.Signers, error) {
	var files []string
	if s.Operator != nil {
		files = s.Operator.Signers // full paths
	}
	if len(files) == 0 && s.Base != nil {
		files = s.Base.Policy.TrustedSigners
	}
	if len(files) == 0 {
		return nil, nil
	}
	b := binder{side: s}
	all, read := &signed.Signers{}, b.reader()
	for _, f := range files {
		data, err := read(f)
		if err == nil {
			err = all.Add(f, data)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Bind makes of a request the document that is in force: what it wants is its own, all else is of the trusted side. What it would
// change there is in Origin.Doubts. Where that leaves no document, Origin.Unagreed is set: nothing may be contacted.
func Bind(l specs.Loader, request *specs.Deployment, side Side) (*specs.Deployment, error) {
	base := side.Base
	if base == nil {
		base = l.Defaults(request)
		if side.Operator != nil {
			base.Policy = side.Operator.Policy.Filled()
		}
	}
	fresh := binder{side: side, base: base, dir: request.Origin.Dir, doubted: map[string]bool{}}
	b := fresh
	b.compare(request)
	b.contents(request)
	blocked := slices.ContainsFunc(b.doubts, func(d specs.Doubt) bool { return d.Blocks })
	if fresh.whole = blocked && len(b.changed) > 0; fresh.whole {
		b = fresh
		b.doubted = map[string]bool{}
		b.compare(request)
		b.contents(request)
	}
	o := &request.Origin
	o.Trust, o.Doubts, o.Changed = side.String(), b.doubts, b.changed
	o.Trusted = b.reader()
	if blocked && side.Base == nil {
		o.Unagreed = true
		return request, nil
	}
	b.revert(reflect.ValueOf(request).Elem(), reflect.ValueOf(base).Elem(), "")
	again := fresh
	again.doubted = map[string]bool{}
	if again.compare(request); len(again.doubts) > 0 {
		return nil, fmt.Errorf("%s: %s could not be taken from %s", o.File, again.doubts[0].Text, side)
	}
	return request, b.local(request)
}

type binder struct {
	side    Side
	base    *specs.Deployment
	dir     string
	doubts  []specs.Doubt
	doubted map[string]bool // paths
	changed []specs.Doubt   // what the operator allows, and the base has otherwise
	// whole: something else is not agreed to, so that what the operator allows is not in force, either. A request's contact with the
	// base's credential would be a document that nobody wrote.
	whole bool
}

// compare finds what a request says and the trusted side does not, and the other way round.
func (b *binder) compare(request *specs.Deployment) {
	asked, agreed := leaves(reflect.ValueOf(request), "", ""), leaves(reflect.ValueOf(b.base), "", "")
	at := func(all []leaf) map[string][]leaf {
		m := map[string][]leaf{}
		for _, l := range all {
			m[l.path] = append(m[l.path], l)
		}
		return m
	}
	was, is, seen := at(agreed), at(asked), map[string]bool{}
	for _, l := range slices.Concat(asked, agreed) {
		if !seen[l.path] {
			seen[l.path] = true
			b.judge(l, was[l.path], is[l.path])
		}
	}
}

// judge compares what stands at one path.
func (b *binder) judge(l leaf, was, is []leaf) {
	more, less := without(is, was), without(was, is)
	some := len(more)
	more = slices.DeleteFunc(more, func(l leaf) bool { return !b.whole && b.side.Operator.allows(l, b.dir) })
	if l.class != Wanted && some > len(more) && b.side.Base != nil {
		b.changed = append(b.changed, b.change(l, without(is, slices.Concat(was, more)), less))
	}
	switch {
	case l.class == Wanted || len(more)+len(less) == 0:
	case l.class == Less:
		if looser(was, is) {
			b.loosened(l, is, was)
		}
	case l.class == More:
		if len(is) > 0 && (looser(is, was) || b.side.Base != nil && looser(was, is)) { // what nobody has agreed to before may be waited for longer
			b.loosened(l, is, was)
		}
	case l.class == Guard:
		if len(was) > 0 && !stricter(was, is) {
			b.loosened(l, is, was)
		}
	case l.class == Signer || l.class == Either:
		b.loosened(l, is, was)
	case l.class == Value && len(is) > 0 && (len(more) == 0 || b.wanted(more[0].from, was)):
	case len(more) > 0:
		done := "not contacted"
		if l.class == Target || l.class == Value || l.class == File {
			done = "not in force"
		}
		b.doubt(l, true, "%s is new, %s: %s%s", l.path, done, list(more), agreedTo(less))
	case len(less) > 0 && (len(is) == 0 || len(was) > 1):
		b.doubt(l, true, "%s is left out, and still in force: %s", l.path, list(less))
	}
}

// wanted says that a request may take a value from there: it is made here, and nobody knows it; or it stands in a file of the request's own
// revision, where one stood in a file before. Whoever writes a file knows what is in it: no file takes the place of what nobody knew.
func (b *binder) wanted(from *specs.Source, was []leaf) bool {
	return from != nil && (from.Generated || ofTheRevision(from) && (b.side.Base == nil || slices.ContainsFunc(was, func(l leaf) bool { return ofTheRevision(l.from) })))
}

func ofTheRevision(s *specs.Source) bool {
	return s != nil && s.File != "" && !filepath.IsAbs(s.File) && !strings.HasPrefix(s.File, "/") && !strings.ContainsAny(s.File, `\:`)
}

func (b *binder) loosened(l leaf, is, was []leaf) {
	b.doubt(l, false, "%s is new or loosens, and is not in force: %s%s", l.path, list(is), agreedTo(was))
}

func (b *binder) doubt(l leaf, blocks bool, format string, args ...any) {
	hint := b.hint(l.class)
	if b.whole && b.side.Operator.allows(l, b.dir) {
		hint = b.side.Operator.file + " allows it; it is in force when everything else in this document is agreed to, too"
	}
	b.doubted[l.path] = true
	b.doubts = append(b.doubts, specs.Doubt{Path: l.path, Blocks: blocks, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// change tells what the operator allows in another place than the base has it.
func (b *binder) change(l leaf, is, was []leaf) specs.Doubt {
	return specs.Doubt{Path: l.path, Text: fmt.Sprintf("%s is changed, allowed by %s: %s → %s", l.path, b.side.Operator.file, list(was), list(is)),
		Hint: "see that this contact is meant to have what goes with it: each entry of that file is allowed with every other"}
}

// hint says who must agree.
func (b *binder) hint(c Class) string {
	var ways []string
	if b.side.Base != nil {
		name, _, _ := strings.Cut(b.side.Name, " at ")
		ways = append(ways, "who may change "+name+" must agree: merge it there first, by itself")
	}
	if b.side.Operator != nil && c.list() != "" {
		ways = append(ways, "who keeps "+b.side.Operator.file+" must agree, and list it under "+c.list())
	}
	if b.side.Assumed {
		ways = append(ways, "`--base HEAD` believes the commit that is checked out (and where another branch is the remote's default by now: `git remote set-head origin --auto`)")
	}
	if len(ways) == 0 {
		return "leave it out"
	}
	return strings.Join(ways, "; or ")
}

// looser compares spans and numbers, of which none is 0, and else lists.
func looser(was, is []leaf) bool {
	before, a := amount(was)
	after, b := amount(is)
	if a && b { // what is not there is of either sort, and nothing
		return after > before
	}
	return len(without(is, was)) > 0
}

// stricter says that a guard which is an amount is there still, and is less.
func stricter(was, is []leaf) bool {
	before, a := amount(was)
	after, b := amount(is)
	return len(is) > 0 && a && b && after < before
}

func amount(one []leaf) (float64, bool) {
	if len(one) == 1 && one[0].much != nil {
		return *one[0].much, true
	}
	return 0, len(one) == 0
}

// without are the leaves of all whose text is not among others.
func without(all, others []leaf) []leaf {
	known := map[string]bool{}
	for _, l := range others {
		known[l.text] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(l leaf) bool { return known[l.text] })
}

// list are the first of many.
func list(all []leaf) string {
	const most = 5
	var texts []string
	for _, l := range all[:min(len(all), most)] {
		texts = append(texts, shown(l.text))
	}
	if len(all) == 0 {
		return "nothing"
	}
	text := strings.Join(texts, ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// shown is a request's text on one line: a line of its own could be a command to whoever reads the log.
func shown(text string) string {
	if !strings.ContainsFunc(text, unicode.IsControl) {
		return text
	}
	return strconv.Quote(text)
}

func agreedTo(was []leaf) string {
	if len(was) == 0 {
		return ""
	}
	return " (agreed: " + list(was) + ")"
}
