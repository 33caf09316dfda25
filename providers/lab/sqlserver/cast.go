package sqlserver

import (
	"slices"
	"strconv"
)

// cast translates CAST(x AS type).
func (t *translation) cast() *Error {
	end := t.closing(t.at + 1)
	as := -1
	for i, depth := t.at+1, 0; i < end; i++ {
		switch x := t.in[i]; {
		case x.is("("):
			depth++
		case x.is(")"):
			depth--
		case x.is("AS") && depth == 1:
			as = i
		}
	}
	if as < 0 || end >= len(t.in) {
		return errSyntax("CAST")
	}
	return t.casting(t.in[t.at+2:as], t.in[as+1:end], end+1)
}

// convert translates CONVERT(type, x): a style is not modelled.
func (t *translation) convert() *Error {
	end := t.closing(t.at + 1)
	commas := []int{}
	for i, depth := t.at+1, 0; i < end; i++ {
		switch x := t.in[i]; {
		case x.is("("):
			depth++
		case x.is(")"):
			depth--
		case x.is(",") && depth == 1:
			commas = append(commas, i)
		}
	}
	if len(commas) == 0 || end >= len(t.in) {
		return errSyntax("CONVERT")
	}
	if len(commas) == 2 {
		return t.styled(commas, end)
	}
	return t.casting(t.in[commas[0]+1:end], t.in[t.at+2:commas[0]], end+1)
}

// styled translates the styles that are modelled: bytes to and from hexadecimal text, and times in ISO 8601.
func (t *translation) styled(commas []int, end int) *Error {
	style := t.in[commas[1]+1].text
	to, err := typeOf(t.in[t.at+2 : commas[0]])
	if err != nil {
		return err
	}
	inner, err := t.inner(t.in[commas[0]+1 : commas[1]])
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"1", "2", "120", "121", "126", "127"}, style) {
		return errUnknown("CONVERT with style " + style)
	}
	t.put("convert_styled(", inner, ",", textual(to.String()), ",", style, ")")
	t.at = end + 1
	return nil
}

func (t *translation) casting(expression, kind []token, next int) *Error {
	to, err := typeOf(kind)
	if err != nil {
		return err
	}
	text, err := t.inner(expression)
	if err != nil {
		return err
	}
	t.put("cast_to(", text, ",", textual(to.String()), ",", strconv.Itoa(int(whether(t.in[t.at].is("TRY_CAST", "TRY_CONVERT")))), ")")
	t.at = next
	return nil
}

// inner translates a part by itself.
func (t *translation) inner(tokens []token) (string, *Error) {
	in := translation{in: tokens, object: t.object, typeOf: t.typeOf, verb: t.verb}
	text, err := in.query()
	t.views, t.tabled = append(t.views, in.views...), t.tabled || in.tabled
	return text, err
}

// closing is where the bracket that opens at i closes.
func (t *translation) closing(i int) int {
	depth := 0
	for ; i < len(t.in); i++ {
		if t.in[i].is("(") {
			depth++
		}
		if t.in[i].is(")") {
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return i
}

// typeOf reads a type, as in CAST.
func typeOf(tokens []token) (Type, *Error) {
	if len(tokens) == 0 {
		return Type{}, errSyntax(")")
	}
	if len(tokens) > 2 && tokens[1].is(".") { // sys.sysname
		tokens = tokens[2:]
	}
	var numbers []string
	for _, x := range tokens[1:] {
		if x.kind == number || x.is("max") {
			numbers = append(numbers, x.text)
		} else if !x.is("(", ")", ",") {
			return Type{}, errSyntax(x.text)
		}
	}
	k, ok := typeNamed(tokens[0].text, numbers)
	if !ok {
		return k, classed(243, 1, 16, "Type %s is not a defined system type.", tokens[0].text)
	}
	if len(numbers) == 0 && (k.Kind == NVarChar || k.Kind == VarChar || k.Kind == VarBinary) && !same(tokens[0].text, "sysname") {
		k.Size = 30 // the default of CAST
	}
	return k, nil
}
