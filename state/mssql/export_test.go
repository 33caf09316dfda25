package mssql

// Templates are all statements that may be sent, with the tables' names in braces.
func Templates() []string {
	all := []string{readHead, findTables, mayCreate, makeSalt, begin, commit, lockSchema, readRows, rehearse, readLease, takeLease, renewLease, dropLease,
		breakLease, lockLease, createKept, readKept, dropKept, listKept, listFolders, setVersion(7), appendRows(1), appendRows(rowsAtOnce)}
	for _, m := range migrations {
		all = append(all, m...)
	}
	return all
}

// Sent is a statement as it is sent for a schema.
func Sent(schema, template string) string { return names(schema).Replace(template) }

// Next adds a version of the tables until the end of the test.
func Next(cleanup func(func()), batches ...string) {
	before := migrations
	migrations = append(migrations[:len(migrations):len(migrations)], batches)
	cleanup(func() { migrations = before })
}

// Passes is the store's.
func (s *Store) Passes() func(error) bool { return s.config.Passes }
