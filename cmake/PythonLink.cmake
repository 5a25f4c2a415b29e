# Makes the folder TO a view of the Python files in FROM, by links, so that an edit needs no build; beside them a link to
# LIBRARY. Links whose file is gone are removed. Run at each build.

cmake_minimum_required(VERSION 3.25)

file(GLOB_RECURSE sources RELATIVE "${FROM}" "${FROM}/*.py" "${FROM}/*.pyi" "${FROM}/py.typed")
foreach(source IN LISTS sources)
  if(NOT IS_SYMLINK "${TO}/${source}")
    get_filename_component(folder "${TO}/${source}" DIRECTORY)
    file(MAKE_DIRECTORY "${folder}")
    file(CREATE_LINK "${FROM}/${source}" "${TO}/${source}" SYMBOLIC)
  endif()
endforeach()

file(GLOB_RECURSE present RELATIVE "${TO}" "${TO}/*.py" "${TO}/*.pyi" "${TO}/py.typed")
foreach(file IN LISTS present)
  if(NOT file IN_LIST sources)
    file(REMOVE "${TO}/${file}")
  endif()
endforeach()

get_filename_component(name "${LIBRARY}" NAME)
if(NOT IS_SYMLINK "${TO}/${name}")
  file(CREATE_LINK "${LIBRARY}" "${TO}/${name}" SYMBOLIC)
endif()
