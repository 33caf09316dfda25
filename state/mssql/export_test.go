package mssql

// Statements are all that may be sent, the script's included.
func Statements(schema string) []string {
	all := []string{readHead, findTables, mayCreate, makeSalt, begin, commit, lockSchema, readRows, rehearse, readLease, takeLease, renewLease, dropLease,
		breakLease, lockLease, createKept, readKept, listKept, setVersion(7), appendRows(1), appendRows(rowsAtOnce)}
	for _, m := range migrations {
		all = append(all, m...)
	}
	for i := range all {
		all[i] = names(schema).Replace(all[i])
	}
	return all
}

// Next adds a version of the tables until the end of the test.
func Next(cleanup func(func()), batches ...string) {
	before := migrations
	migrations = append(migrations[:len(migrations):len(migrations)], batches)
	cleanup(func() { migrations = before })
}

// Passes is the store's.
func (s *Store) Passes() func(error) bool { return s.config.Passes }
