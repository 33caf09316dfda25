package sqlserver

// types fills in the types that no table gives: what the query says of an item, or what its values are.
func (b *batch) types(a *answer, tokens []token) {
	said := b.itemTypes(tokens)
	for i := range a.columns {
		c := &a.columns[i]
		if c.Type.Kind != unknownType {
			continue
		}
		if len(said) == len(a.columns) && said[i] != nil {
			c.Type = *said[i]
			continue
		}
		c.Type = Type{Kind: Int}
		for j, row := range a.rows {
			if k := guess(row[i]); row[i] != nil && (j == 0 || wider(k, c.Type) || c.Type.Kind == Int) {
				c.Type = k
			}
		}
	}
}

func wider(a, b Type) bool {
	return a.Kind == BigInt && b.Kind == Int || a.Kind == Float && (b.Kind == Int || b.Kind == BigInt) || a.Kind == b.Kind && a.Size == Max
}

// itemTypes are the types of what SELECT selects, nil for those that the text does not tell.
func (b *batch) itemTypes(tokens []token) []*Type {
	p := &parser{tokens: tokens}
	if !p.take("SELECT") {
		return nil
	}
	p.take("DISTINCT", "ALL")
	if p.take("TOP") {
		if p.peek().is("(") {
			t := translation{in: tokens, at: p.at}
			t.skip()
			p.at = t.at
		} else {
			p.at++
		}
	}
	var all []*Type
	for p.more() {
		from, depth := p.at, 0
		for p.more() && (depth > 0 || !p.peek().is(",", "FROM", "WHERE", "ORDER", "UNION")) {
			depth += int(whether(p.peek().is("("))) - int(whether(p.peek().is(")")))
			p.at++
		}
		item := p.since(from)
		if len(item) == 1 && item[0].is("*") {
			return nil
		}
		all = append(all, b.itemType(item))
		if !p.take(",") {
			break
		}
	}
	return all
}

// itemType is the type of one item.
func (b *batch) itemType(item []token) *Type {
	if len(item) > 2 && item[len(item)-2].is("AS") {
		item = item[:len(item)-2]
	}
	if len(item) == 0 {
		return nil
	}
	first := item[0]
	if len(item) == 1 || len(item) == 2 && item[1].name() {
		switch {
		case first.kind == variable:
			if k, ok := b.typeOf(first.text); ok {
				return &k
			}
		case first.kind == literal:
			return &Type{Kind: NVarChar, Size: sized(len(first.text), 4000)}
		}
		return nil
	}
	if !item[1].is("(") {
		return nil
	}
	t := translation{in: item}
	end := t.closing(1)
	if end < len(item)-2 || end == len(item)-2 && !item[len(item)-1].name() {
		return nil // there is more to it
	}
	switch upper(first.text) {
	case "CAST", "TRY_CAST":
		for i := end; i > 1; i-- {
			if item[i].is("AS") {
				if k, err := typeOf(item[i+1 : end]); err == nil {
					return &k
				}
				return nil
			}
		}
	case "CONVERT", "TRY_CONVERT":
		p := &parser{tokens: item, at: 2}
		if k, err := typeOf(p.item()); err == nil {
			return &k
		}
	case "COUNT_BIG":
		return &Type{Kind: BigInt}
	case "SYSUTCDATETIME", "SYSDATETIME":
		return &Type{Kind: DateTime2, Scale: 7}
	case "GETDATE", "GETUTCDATE":
		return &Type{Kind: DateTime, Scale: 3}
	case "SYSDATETIMEOFFSET":
		return &Type{Kind: DateTimeOffset, Scale: 7}
	case "NEWID":
		return &Type{Kind: GUID}
	case "SUSER_SNAME", "ORIGINAL_LOGIN", "DB_NAME", "HOST_NAME", "APP_NAME", "USER_NAME", "SERVERPROPERTY":
		return &Type{Kind: NVarChar, Size: 128}
	case "SUSER_SID":
		return &Type{Kind: VarBinary, Size: 85}
	}
	return nil
}
