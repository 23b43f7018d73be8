"""The program as a whole: started as operators start it, fed through files, asked through its own doors."""
