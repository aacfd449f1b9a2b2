package passkey

// Parse reads an assertion whatever challenge it answers.
func Parse(answer string) (Assertion, error) {
	of, err := parse(answer)
	return Assertion{of}, err
}
