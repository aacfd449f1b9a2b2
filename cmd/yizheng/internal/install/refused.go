package install

// RefusedShown is how many records that were refused are named at once.
const RefusedShown = 10
